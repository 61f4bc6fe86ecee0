import pytest

from predictor.errors import InputError
from predictor.quantity import format_factor, format_quantity, parse_count, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7e9", 7e9),
        ("7B", 7e9),
        ("1.5T", 1.5e12),
        ("300m", 3e8),
        ("10k", 1e4),
        ("1,000,000", 1e6),
        (".5B", 5e8),
        (42, 42.0),
    ],
)
def test_numbers_are_read_as_people_write_them(text, value):
    assert parse_quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1,5B", "1_5B", "many", "", "-7B", "0", "7BB", "nan", "inf"])
def test_what_could_be_misread_is_refused(text):
    with pytest.raises(InputError):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("0B", 0), ("0.0B", 0), ("4.2B", 4_200_000_000), ("00010", 10)])
def test_counts_may_be_none_at_all(text, count):
    assert parse_count(text) == count


def test_numbers_are_written_short():
    assert [format_quantity(value) for value in (6.9e9, 3e11, 608496, 1.4e12)] == ["6.9B", "300B", "608k", "1.4T"]


@pytest.mark.parametrize(("ratio", "text"), [(2.54, "2.5"), (349.4, "349"), (12345.6, "12,346"), (2.5e190, "2.5e+190")])
def test_factors_are_written_short(ratio, text):
    assert format_factor(ratio) == text
