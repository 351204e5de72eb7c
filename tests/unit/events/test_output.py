"""What a function prints is its event's, and nobody else's stdout is touched: no thread's, nor what comes later."""

from __future__ import annotations

import contextlib
import contextvars
import io
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pg_archiver.events.output import capture, capturing

MOST = 8192
# As functions do it.
say = print


def in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_is_printed_within_is_taken_and_the_rest_goes_where_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    say("before")
    with capture() as output:
        say("within", 1)
        sys.stdout.writelines(["a", "b"])
        sys.stdout.buffer.write(b"bytes \xff")
        sys.stdout.flush()
    say("after")
    assert str(output) == "within 1\nabbytes \N{REPLACEMENT CHARACTER}"
    assert capsys.readouterr().out == "before\nafter\n"
    assert sys.stdout is before


def test_another_thread_prints_where_it_always_did(capsys: pytest.CaptureFixture[str]) -> None:
    with capture() as output:
        in_thread(lambda: say("elsewhere"))
        say("within")
    assert (str(output), capsys.readouterr().out) == ("within\n", "elsewhere\n")


def test_a_thread_that_runs_in_a_copy_of_the_context_is_the_functions(capsys: pytest.CaptureFixture[str]) -> None:
    with capture() as output:
        context = contextvars.copy_context()
        in_thread(lambda: context.run(say, "of the function"))
    assert (str(output), capsys.readouterr().out) == ("of the function\n", "")


def test_workers_in_threads_of_one_process_never_mix(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    start = threading.Barrier(4)

    def work(name: int) -> list[str]:
        start.wait(30)
        found = []
        with capturing():
            for number in range(200):
                with capture() as output:
                    say(name, number)
                found.append(str(output))
        return found

    with ThreadPoolExecutor(4) as pool:
        for name, found in enumerate(pool.map(work, range(4))):
            assert found == [f"{name} {number}\n" for number in range(200)]
    assert capsys.readouterr().out == ""
    assert sys.stdout is before


def test_what_a_function_leaves_behind_that_still_prints_is_heard_by_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    go = threading.Event()
    with capture() as output:
        context = contextvars.copy_context()
        late = threading.Thread(target=lambda: (go.wait(30), context.run(say, "late")))
        late.start()
    with capture() as later:
        go.set()
        late.join()
    assert (str(output), str(later), capsys.readouterr().out) == ("", "", "")


def test_no_more_than_8_kb_are_kept_of_a_gigabyte() -> None:
    with capture() as output:
        for _ in range(100_000):
            say("x" * 10_000)
    assert len(str(output).encode()) == MOST
    assert str(output).endswith(" … (cut)")


@pytest.mark.parametrize("text", ["ä" * 5000, "\N{GRINNING FACE}" * 3000, "x" * MOST])
def test_what_is_kept_is_counted_in_bytes(text: str) -> None:
    with capture() as output:
        say(text, end="")
    assert len(str(output).encode()) <= MOST
    assert str(output).startswith(text[:1000])
    assert str(output).endswith("(cut)") == (len(text.encode()) > MOST)


def test_a_character_that_no_database_takes_is_left_out() -> None:
    with capture() as output:
        say("a\x00b\ud800c", end="")
    assert str(output) == "ab?c"


def test_a_function_that_redirects_its_output_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    own = io.StringIO()
    with capture() as output:
        with contextlib.redirect_stdout(own):
            say("redirected")
        say("within")
    assert (own.getvalue(), str(output)) == ("redirected\n", "within\n")
    assert sys.stdout is before


def test_a_function_that_leaves_another_stdout_does_not_harm_the_next() -> None:
    before = sys.stdout
    with capturing():
        with capture():
            sys.stdout = io.StringIO()
        with capture() as output:
            say("next")
    sys.stdout = before
    assert str(output) == "next\n"


def test_a_stream_is_still_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with capture():
        assert sys.stdout.isatty() is False
        assert sys.stdout.seekable()
        with pytest.raises(TypeError, match="must be str, not int"):
            sys.stdout.write(1)  # type: ignore[arg-type]
