"""The published outlines item by item: where a card meets each, and why it cannot meet others.

Model cards: Mitchell et al., FAT* 2019, the headings of section 4. CLAIM: Tejani et al.,
"Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update", Radiology:
Artificial Intelligence 6 (4), e240300, 2024, 44 items; the edition of 2020 has 42, and other
numbers from item 11 on. TRIPOD+AI: Collins et al., BMJ 385:e078378, 2024, 27 items; TRIPOD of 2015
has other numbers. Items are named in our own words; numbers were compared with public transcripts
of these editions, not with the journals' pages.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from artemis.models.card.blocks import Block, Figures, Paragraph, Section
from artemis.models.card.sources import of_public_data
from artemis.models.evidence_map import gives_evidence
from artemis.models.figures import table_of
from artemis.models.manifest import Manifest


class Item(NamedTuple):
    """An item of an outline.

    Attributes
    ----------
    number : str
        As published.
    words : str
        What it asks for.
    met : {'yes', 'partly', 'no', 'not applicable'}
        Whether the card meets it.
    where : str
        Where, or why not, of a model of the public collections.
    elsewhere : str
        The same of a model of other data; nothing where `where` is true of that too.
    """

    number: str
    words: str
    met: str
    where: str
    elsewhere: str = ""


_STUDY: Final = "a card describes a model; the study around it is its reader's"
_ROBUST: Final = "Figures by source; Unlike the training images"
_NO_PEOPLE: Final = "the public collections hold no such record"
_NONE_KEPT: Final = "no such record is kept of the training data"

_MODEL_CARDS: Final = (
    Item("4.1", "Model details", "yes", "Intended use; Protocol"),
    Item("4.2", "Intended use, users, out of scope", "yes", "Intended use"),
    Item("4.3", "Factors: groups, instruments, environment", "partly",
         f"Figures, by source and plane; of people and scanners {_NO_PEOPLE}",
         f"Figures, by source and plane; of people and scanners {_NONE_KEPT}"),
    Item("4.4", "Metrics, thresholds, uncertainty", "yes", "Figures; Calibration; Prediction sets"),
    Item("4.5", "Evaluation data", "yes", "Data; Protocol"),
    Item("4.6", "Training data", "yes", "Data"),
    Item("4.7", "Quantitative analyses, one factor and crossed", "partly",
         "Figures, one factor at a time; tumour by plane are the twelve categories"),
    Item("4.8", "Ethical considerations", "partly",
         "Intended use; Known limits; consent and the opinion of an ethics board are not in a "
         "model's record"),
    Item("4.9", "Caveats and recommendations", "yes", "Known limits"),
)  # fmt: skip

_CLAIM: Final = (
    Item("1, 2", "Title and abstract", "partly", "the sentence at the top; it is no article"),
    Item("3, 4", "Background, aims", "partly", f"Intended use; {_STUDY}"),
    Item("5, 6", "Design and goal of the study", "yes",
         "retrospective, on public data, to build and measure a model: Protocol",
         "on pictures that were there and labelled, to build and measure a model: Protocol"),
    Item("7", "Data sources", "yes", "Data"),
    Item("8", "Inclusion and exclusion", "partly",
         "Data; what the collections left out is not known",
         "Data; what was left out is not in this record"),
    Item("9, 10", "Preprocessing, selection of subsets", "yes",
         "Intended use names the preprocessing, Protocol the split"),
    Item("11", "De-identification", "partly",
         "no name of a patient is in a model's folder; how the collections did it is not known",
         "no name of a patient is in a model's folder; how the pictures lost theirs is not "
         "recorded"),
    Item("12", "Missing data", "yes",
         "a slice is whole or refused; nothing is imputed"),
    Item("13", "Acquisition of the images", "no", _NO_PEOPLE, _NONE_KEPT),
    Item("14, 15, 16", "Reference standard, why, by whom", "partly",
         "the labels of the collections, corrected by the first source where it is known: Data; "
         "who read the slices is not known",
         "the labels given with the pictures, corrected by their first source where it is named: "
         "Data; who read the slices is not known"),
    Item("17, 18", "Annotation of the test set, agreement of readers", "no",
         "the slices were not read again, and no second reading exists"),
    Item("19, 20", "Partitions, and at which level disjoint", "yes", "Protocol: patient groups",
         "Protocol: by patient, as far as patients are known"),
    Item("21", "Intended size of the test set", "partly",
         "what there is; no calculation stands behind it. The intervals say what it is worth"),
    Item("22, 23, 24", "Model, software, first weights", "yes",
         "Protocol: recipe, first weights and versions"),
    Item("25, 26, 27", "Training, choice of the model, ensembles", "yes",
         "Protocol: recipe; what was tried is in docs/training.md; no ensemble"),
    Item("28, 29", "Metrics, uncertainty", "yes", "Figures; Protocol"),
    Item("30", "Robustness or sensitivity", "yes",
         f"Shortcut tests; {_ROBUST}"),
    Item("31", "Explanation", "yes", "Where the evidence lies"),
    Item("32", "Test on internal data", "yes", "Figures"),
    Item("33", "Test on external data", "no", "none is in this record"),
    Item("34", "Registration as a trial", "not applicable", "no trial"),
    Item("35", "Numbers included and excluded", "partly", "Data; only what was included"),
    Item("36", "Who the patients are, by partition", "no", _NO_PEOPLE, _NONE_KEPT),
    Item("37, 38", "Performance, with its precision", "yes",
         "Figures, with intervals; Confusion; Calibration. No ROC curve: each slice gets one of "
         "twelve answers"),
    Item("39", "Failure analysis", "yes", "Where it fails"),
    Item("40, 41", "Limits, meaning for practice", "yes", "Known limits; Intended use"),
    Item("42, 43", "Protocol and technical detail, availability", "yes",
         "code, models and records come with the project; pictures under their own licences: Data",
         "the code comes with the project, model and record with this folder; pictures: Data"),
    Item("44", "Funding", "no", "not in a model's record"),
)  # fmt: skip

_TRIPOD: Final = (
    Item("1, 2", "Title and abstract", "partly", "the sentence at the top; it is no article"),
    Item("3, 4", "Background, health inequalities, aims", "partly",
         f"Intended use; {_STUDY}; inequalities cannot be looked at, since {_NO_PEOPLE}",
         f"Intended use; {_STUDY}; inequalities cannot be looked at, since {_NONE_KEPT}"),
    Item("5", "Data: sources and dates", "partly", "Data; dates are not known"),
    Item("6", "Participants: setting, eligibility, treatment", "no", _NO_PEOPLE, _NONE_KEPT),
    Item("7", "Preparation of the data", "yes",
         "the same for every slice: Intended use; Data"),
    Item("8", "Outcome and who judged it", "partly",
         "the twelve categories; who judged them, and blind to what, is not known"),
    Item("9", "Predictors", "yes", "the pixels of one slice: Intended use"),
    Item("10", "Size of the sample", "partly", "what there is; no calculation stands behind it"),
    Item("11", "Missing data", "yes", "a slice is whole or refused; nothing is imputed"),
    Item("12", "Methods of analysis, heterogeneity", "yes",
         "Protocol; Calibration; Figures, by source"),
    Item("13", "Class imbalance", "yes",
         "Data by category; Protocol: balance of the recipe; recalibrated after it: Calibration"),
    Item("14", "Fairness", "no", _NO_PEOPLE, _NONE_KEPT),
    Item("15", "Output of the model", "yes", "Intended use; Calibration; Prediction sets"),
    Item("16", "Training against evaluation", "yes",
         "the same collections, other patients: Data; Protocol",
         "the same data, other patients as far as they are known: Data; Protocol"),
    Item("17", "Ethical approval", "no", "not in a model's record"),
    Item("18", "Open science", "partly",
         "code, models and records come with the project; no registered protocol, and funding "
         "and conflicts of interest are not in a model's record",
         "the code comes with the project; no registered protocol, and funding and conflicts of "
         "interest are not in a model's record"),
    Item("19", "Patients and public involved", "no", "nobody was"),
    Item("20, 21", "Participants, and how many in each analysis", "partly",
         "patient groups and images: Data; Figures. No flow of patients is known",
         "groups and images: Data; Figures. No flow of patients is known"),
    Item("22", "Specification of the model", "yes",
         "the weights are in the folder, with their SHA-256: Intended use"),
    Item("23", "Performance, with heterogeneity", "yes", "Figures; Calibration"),
    Item("24", "Updating of the model", "partly",
         "what a gate decided on it is printed by artemis-cli models show"),
    Item("25, 26", "Interpretation, limits", "partly",
         "Known limits; earlier studies are not in a model's record; fairness cannot be looked at, "
         f"since {_NO_PEOPLE}",
         "Known limits; earlier studies are not in a model's record; fairness cannot be looked at, "
         f"since {_NONE_KEPT}"),
    Item("27", "Use: poor input, users, next steps", "partly",
         "Intended use; Unlike the training images; no study of its use was made"),
)  # fmt: skip


def outlines(manifest: Manifest) -> Section:
    """Return the items of the three outlines, as far as this very record meets them."""
    lacking = {
        ("CLAIM", "30"): manifest.evaluation.shortcuts is None
        and ("partly", f"{_ROBUST}; the shortcut tests are not in this record"),
        ("CLAIM", "31"): not gives_evidence(manifest.outputs)
        and ("no", "this model gives no evidence maps"),
    }
    public = of_public_data(manifest)
    blocks: list[Block] = [
        Paragraph(
            "What each published outline asks for, and where this card has it. An item that is "
            "not met is named with the reason.",
            note=True,
        )
    ]
    for title, name, items in (
        ("Model cards (Mitchell et al., 2019), by section", "cards", _MODEL_CARDS),
        ("CLAIM, update of 2024 (Tejani et al.), 44 items", "CLAIM", _CLAIM),
        ("TRIPOD+AI, 2024 (Collins et al.), 27 items", "TRIPOD", _TRIPOD),
    ):
        rows = []
        for item in items:
            where = item.where if public else item.elsewhere or item.where
            told = lacking.get((name, item.number)) or (item.met, where)
            rows.append((item.number, item.words, *told))
        blocks.append(
            Figures(
                table_of(title, ("item", "what it asks", "met", "where, or why not"), rows),
                text=True,
            )
        )
    return Section("outlines", "Published outlines", tuple(blocks))
