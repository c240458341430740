import io

from training.progress import plain, shown, silent


def test_plain_progress_shows_every_tenth_and_the_end() -> None:
    stream = io.StringIO()
    show = plain(stream)
    for done in range(101):
        show("towers", done, 100)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("towers 100/100")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_live_display_and_a_file_gets_lines() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with shown(stream) as show:
            show("popularity", 0, 1)
            show("popularity", 1, 1)
    assert "noised popularity" in terminal.getvalue()
    assert "popularity 1/1 noised popularity" in file.getvalue()
    silent("anything", 1, 1)
