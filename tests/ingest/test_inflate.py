from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.ingest import inflate
from artemis.ingest.inflate import InflatedReader, Places

CONTENT = bytes(number * number % 251 for number in range(5000))


def packed(contents: list[bytes], padding: bytes = b"") -> bytes:
    return b"".join(gzip.compress(one) + padding for one in contents)


@given(
    contents=st.lists(st.binary(max_size=300) | st.just(CONTENT), min_size=1, max_size=4),
    padding=st.sampled_from([b"", b"\0" * 7]),
    reads=st.lists(st.tuples(st.integers(0, 21_000), st.integers(1, 9000)), max_size=12),
    interval=st.integers(1, 4000),
    most_input=st.sampled_from([1, 17, 1 << 17]),
)
def test_any_place_holds_what_unpacking_from_the_start_gives(
    contents, padding, reads, interval, most_input
) -> None:
    whole, data = b"".join(contents), packed(contents, padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inflate, "_FIRST_INTERVAL", interval)
        patch.setattr(inflate, "_MOST_PLACES", 3)
        patch.setattr(inflate, "_INPUT_BYTES", most_input)
        places = Places()
        for readers in (1, 2):  # the second finds the places of the first
            stream = io.BufferedReader(InflatedReader(io.BytesIO(data), places), 64)
            for offset, length in reads:
                stream.seek(offset)
                assert stream.read(length) == whole[offset : offset + length], readers
        stream.seek(0)
        assert stream.read() == whole


def test_two_readers_may_take_turns_on_one_file() -> None:
    stored = io.BytesIO(packed([CONTENT * 50]))
    one, other = InflatedReader(stored), InflatedReader(stored)
    for offset in range(0, 200_000, 50_000):
        for reader in (one, other):
            reader.seek(offset)
            assert reader.read(100) == (CONTENT * 50)[offset : offset + 100]


def test_going_back_costs_no_more_than_an_interval() -> None:
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    content = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big") for n in range(3_000_000))
    stored = Counted(gzip.compress(content, 1))
    reader = InflatedReader(stored)
    reader.seek(len(content))
    assert reader.read(1) == b""
    before = stored.taken
    reader.seek(11_000_000)
    assert reader.read(8) == content[11_000_000:11_000_008]
    assert stored.taken - before < 1_500_000  # of 12 million


def test_a_file_that_ends_within_a_member_is_no_end_of_the_content() -> None:
    for cut in (1, 8, 9, 100):
        reader = InflatedReader(io.BytesIO(packed([CONTENT])[:-cut]))
        with pytest.raises(EOFError, match="ends within its packed data"):
            reader.readall()


@pytest.mark.parametrize("place", [-8, -4])
def test_a_wrong_checksum_or_length_is_an_error(place: int) -> None:
    data = bytearray(packed([CONTENT]))
    data[place] ^= 1
    with pytest.raises(zlib.error, match="incorrect"):
        InflatedReader(io.BytesIO(bytes(data))).readall()


def test_what_follows_a_member_and_is_none_is_an_error() -> None:
    with pytest.raises(zlib.error, match="incorrect header"):
        InflatedReader(io.BytesIO(packed([CONTENT]) + b"garbage")).readall()


def test_the_end_of_the_content_is_not_known() -> None:
    with pytest.raises(io.UnsupportedOperation, match="length of the content"):
        InflatedReader(io.BytesIO(packed([CONTENT]))).seek(0, io.SEEK_END)


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 3000)), max_size=9))
def test_bare_data_within_a_file_end_where_they_say(reads) -> None:
    packer = zlib.compressobj(wbits=inflate.BARE)
    stored = io.BytesIO(b"before" + packer.compress(CONTENT) + packer.flush() + b"\0 after")
    reader = InflatedReader(stored, Places(inflate.BARE, start=6))
    for offset, length in reads:
        reader.seek(offset)
        assert reader.read(length) == CONTENT[offset : offset + length]
