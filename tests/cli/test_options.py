import pytest

from predictor.cli.options import deliver
from predictor.errors import InputError


class Answer:
    def to_json(self):
        return {"answer": 42}


def test_an_answer_is_shown_even_where_its_file_cannot_be_written(capsys):
    with pytest.raises(InputError, match="/dev/full cannot be written"):
        deliver(Answer(), "/dev/full", lambda answer: print("42"))
    assert capsys.readouterr().out == "42\n"


def test_the_file_is_there_when_the_reader_of_the_table_has_gone(tmp_path):
    def show(answer):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        deliver(Answer(), str(tmp_path / "answer.json"), show)
    assert (tmp_path / "answer.json").read_text().strip() == '{\n  "answer": 42\n}'


def test_json_has_standard_output_to_itself(capsys):
    deliver(Answer(), "-", lambda answer: print("a table"))
    assert "a table" not in capsys.readouterr().out
