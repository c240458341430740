from recsys.words import counted, noun


def test_one_is_singular_and_everything_else_is_not() -> None:
    assert [counted(n, "row") for n in (0, 1, 2, 2000)] == ["0 rows", "1 row", "2 rows", "2,000 rows"]
    assert counted(2, "person", "people") == "2 people"
    assert (noun(1, "person", "people"), noun(0, "person", "people")) == ("person", "people")
