"""Which DICOM objects are MR slices of a head, and which are refused by name."""

from __future__ import annotations

import re
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from artemis.errors import ScanError
from artemis.ingest.dicom.file import GE_CREATOR, GE_PART, item, text, texts
from artemis.ingest.reasons import Reason, scan_error

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
# PS3.4 table B.5-1.
_READ: Final = frozenset(_STORAGE + tail for tail in ("4", "4.1", "4.4"))
_REFUSED: Final = (
    ("1.2.840.10008.1.3.10", Reason.DICOM_DIRECTORY),
    (_STORAGE + "7", Reason.SECONDARY_CAPTURE),
    (_STORAGE + "88", Reason.STRUCTURED_REPORT),
    (_STORAGE + "66.4", Reason.SEGMENTATION),
    (_STORAGE + "66.5", Reason.SEGMENTATION),
    (_STORAGE + "66.7", Reason.SEGMENTATION),
    (_STORAGE + "481.3", Reason.SEGMENTATION),
    (_STORAGE + "66", Reason.RAW_DATA),
    (_STORAGE + "11", Reason.PRESENTATION_STATE),
    (_STORAGE + "104", Reason.ENCAPSULATED_DOCUMENT),
    (_STORAGE + "4.2", Reason.SPECTROSCOPY),
    (_STORAGE + "4.3", Reason.COLOUR_DICOM),
)
_LOSSY_COMPRESSION: Final = "113040"
# What is computed from images, of diffusion and of perfusion, whatever the first value says; and
# whatever calls itself a map, such as T1 MAP.
_MAPS: Final = frozenset({"ADC", "EADC", "FA", "CBF", "CBV", "RCBF", "RCBV", "MTT", "TTP"})
_MAP: Final = "MAP"
# Parts of complex images as Siemens and Philips name them (as in dcm2niix, nii_dicom.cpp). The
# real part is left: of an inversion recovery it is a picture as people read it.
_PARTS: Final = {
    "P": "a phase image",
    "PHASE": "a phase image",
    "PHASE MAP": "a phase image",
    "I": "an imaginary part",
    "IMAGINARY": "an imaginary part",
}
# As in dcm2niix, nii_dicom.cpp, kImageTypeGE; 0 is the magnitude, 2 the real part.
_GE_PARTS: Final = {1: "a phase image", 3: "an imaginary part"}
_SCREEN: Final = "SCREEN SAVE"
_LOCALIZERS: Final = frozenset({"LOCALIZER", "LOCALISER", "SCOUT", "SURVEY", "TOPOGRAM"})
# As operators and scanners (AAHScout of Siemens) name the series; some state it nowhere else.
_LOCALIZER_WORDS: Final = re.compile(
    r"(?<![A-Z])(LOCALI[SZ]ERS?|(AAH)?SCOUT|SURVEY|3[\W_]*PL(ANE)?[\W_]*LOC)(?![A-Z])"
)
# PS3.3 C.7.3.1.1.1, the values that images have, and a few retired ones.
_MODALITY_TERMS: Final = (
    "AR AS ASMT AU BDUS BI BMD CF CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG"
    " EOG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS MA MG MS NM OAM OCT OP OPM"
    " OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT"
    " RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US"
    " VA VF XA XAPROTOCOL XC XRD"
)
_MODALITIES: Final = frozenset(_MODALITY_TERMS.split())
# PS3.16 annex L, defined terms of Body Part Examined, spaces left out; regions without a head.
_OTHER_PART_TERMS: Final = (
    "ABDOMEN ABDOMENPELVIS ACJOINT ADRENAL ANKLE AORTA ARM AXILLA BACK BILEDUCT BLADDER BREAST"
    " BRONCHUS BUTTOCK CALCANEUS CALF CARDIAC CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX"
    " COLON CSPINE CTSPINE CERVICALSPINE CORONARYARTERY DUODENUM ELBOW ESOPHAGUS EXTREMITY FEMUR"
    " FIBULA FINGER FOOT FOREARM GALLBLADDER HAND HEART HIP HUMERUS ILIUM JOINT KIDNEY KNEE LARYNX"
    " LEG LIVER LOWEREXTREMITY LOWERLEG LOWERLIMB LSPINE LSSPINE LUMBARSPINE LUNG MEDIASTINUM"
    " NECKCHEST OVARY PANCREAS PATELLA PELVIS PENIS PHARYNX PROSTATE RECTUM RIB RIBS SACRUM SCAPULA"
    " SCROTUM SHOULDER SIJOINT SPINE SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH THORACICSPINE"
    " THORAX THUMB THYROID TIBIA TLSPINE TOE TRACHEA TSPINE UPPERARM UPPEREXTREMITY UPPERLEG"
    " UPPERLIMB URETER URETHRA UTERUS VAGINA WHOLESPINE WRIST"
)
_OTHER_PARTS: Final = frozenset(_OTHER_PART_TERMS.split())


def refuse_other_objects(header: Dataset) -> None:
    """Refuse what is not an original MR image of a head, by SOP class, modality and type.

    A file without SOP class (old archives) is judged by its modality alone, and one without
    modality by its class. A body part that is absent, unknown, or includes the head passes.

    Raises
    ------
    ScanRefusedError
        Naming what it is.
    """
    sop_class = text(header, "SOPClassUID")
    _refuse_known_class(sop_class)
    modality = text(header, "Modality")
    if modality != "MR" and (modality or sop_class not in _READ):
        received = modality if modality in _MODALITIES else "none" if not modality else "another"
        raise scan_error(Reason.MODALITY, "Modality MR", received)
    if sop_class and sop_class not in _READ:
        raise scan_error(Reason.OTHER_OBJECT, "an MR image object", _class_name(sop_class))
    refuse_image_type(texts(header, "ImageType"), _is_only_compressed(header))
    if (part := _GE_PARTS.get(_ge_part(header))) is not None:
        raise scan_error(Reason.NOT_GREYSCALE, "a magnitude image", part)
    # Neither is ever repeated: people write names into them.
    series = text(header, "SeriesDescription") or text(header, "ProtocolName")
    if _LOCALIZER_WORDS.search(series):
        raise _localizer()
    part = other_body_part(header)
    if part:
        raise scan_error(Reason.OTHER_BODY_PART, "a brain or head", part)


def _refuse_known_class(sop_class: str) -> None:
    for prefix, reason in _REFUSED:
        if sop_class == prefix or sop_class.startswith(prefix + "."):
            raise scan_error(reason, "an MR image object", _class_name(sop_class))


def _class_name(sop_class: str) -> str:
    # Only names of the standard: a private class could spell anything.
    name = UID(sop_class).name
    return name if name != sop_class else "an unknown SOP class"


def _is_only_compressed(header: Dataset) -> bool:
    """Return whether all that an image was derived by is lossy compression (PS3.16 CID 7203).

    It makes an image DERIVED (PS3.3 C.7.6.1.1.5), and what compresses archives says so by code.
    """
    steps = header.get("DerivationCodeSequence")
    if not isinstance(steps, Sequence) or not steps:
        return False
    return all(text(step, "CodeValue") == _LOSSY_COMPRESSION for step in steps)


def refuse_image_type(values: list[str], only_compressed: bool = False) -> None:
    """Refuse localizers, computed and derived images, parts of complex ones, and mosaics.

    PS3.3 C.7.6.1.1.2 and C.8.16.1.

    Siemens stores series of volumes, as of diffusion, with all slices of one as the tiles of
    a picture.

    Parameters
    ----------
    values : list of str
        Image Type of the object, or Frame Type of a frame of an enhanced one.
    only_compressed : bool
        Whether ``DERIVED`` says no more than that its pixels were compressed.

    Raises
    ------
    ScanRefusedError
        With reason ``localizer``, ``secondary_capture``, ``not_greyscale``, ``derived_image`` or
        ``other_object``.
    """
    if not _LOCALIZERS.isdisjoint(values[2:]):
        raise _localizer()
    if _SCREEN in values[2:]:
        raise scan_error(Reason.SECONDARY_CAPTURE, "an MR image", "a saved screen")
    for value in values[2:]:
        refuse_part(value)
    if not _MAPS.isdisjoint(values[2:]) or any(value.endswith(_MAP) for value in values[2:]):
        raise scan_error(Reason.DERIVED_IMAGE, "an original image", "a computed map")
    if values and values[0] == "DERIVED" and not (only_compressed and "PRIMARY" in values[1:2]):
        raise scan_error(Reason.DERIVED_IMAGE, "an original image", "one of type DERIVED")
    if "MOSAIC" in values[2:]:
        raise scan_error(
            Reason.OTHER_OBJECT, "a slice by itself", "a mosaic, all slices of a volume as tiles"
        )


def refuse_part(value: str) -> None:
    """Refuse the phase or the imaginary part of a complex image.

    Parameters
    ----------
    value : str
        Of Image Type, or Complex Image Component (PS3.3 C.8.13.3.1).

    Raises
    ------
    ScanRefusedError
        With reason ``not_greyscale``.
    """
    if value in _PARTS:
        raise scan_error(Reason.NOT_GREYSCALE, "a magnitude image", _PARTS[value])


def _ge_part(header: Dataset) -> int:
    """Return which part of a complex image GE says that this is; 0 where it says nothing."""
    creator, part = header.get(GE_CREATOR), header.get(GE_PART)
    if creator is None or part is None or str(creator.value).strip(" \0") != "GEMS_PARM_01":
        return 0
    if isinstance(part.value, bytes):  # written as UN, which is little-endian
        return int.from_bytes(part.value[:2], "little")
    return part.value if isinstance(part.value, int) else 0


def _localizer() -> ScanError:
    return scan_error(Reason.LOCALIZER, "a diagnostic slice", "a localizer")


def other_body_part(header: Dataset) -> str | None:
    """Return the name of a body part other than the head, or None.

    From Body Part Examined, else from the meaning of the coded Anatomic Region.
    """
    region = item(header, "AnatomicRegionSequence")
    for part in (
        text(header, "BodyPartExamined"),
        "" if region is None else text(region, "CodeMeaning"),
    ):
        plain = "".join(filter(str.isalnum, part))
        if plain in _OTHER_PARTS:
            return plain
    return None
