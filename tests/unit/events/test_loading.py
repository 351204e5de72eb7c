"""The folder of functions: its modules are loaded, each by itself, and nothing that is not in it."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pg_archiver.errors import FunctionRefused, SettingError
from pg_archiver.events import Event
from pg_archiver.events.loading import Functions, functions_folder, load_functions

SECRET = "secretjohndoe4711"
HEAD = "from pg_archiver.events import Event, event_function\n"


class Folder:
    """A folder of functions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(HEAD + dedent(text))
        return file

    def function(self, file: str, name: str, body: str = "return None") -> None:
        self.write(file, f'\n@event_function("{name}")\ndef {Path(file).stem}(event, db):\n    {body}\n')

    def load(self) -> Functions:
        return load_functions(self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = tmp_path / "functions"
    made.mkdir()
    return Folder(made)


def test_each_module_of_the_folder_registers_its_functions(folder: Folder) -> None:
    folder.function("copying.py", "copy_input", "return event.id")
    folder.function("sums.py", "sum")
    found = folder.load()
    assert sorted(found.by_name) == ["copy_input", "sum"]
    assert found.broken == ()
    assert found.find("copy_input").call(Event(id=7), None) == 7
    assert found.find("copy_input").place == "copying.py, line 3"


def test_modules_share_what_begins_with_an_underscore(folder: Folder) -> None:
    folder.write("_shared.py", "NUMBER = 7\n")
    folder.write(
        "uses.py",
        """
        from ._shared import NUMBER
        from . import other

        @event_function("uses")
        def uses(event, db):
            return NUMBER, other.other(event, db)
        """,
    )
    folder.function("other.py", "other", "return 'other'")
    found = folder.load()
    assert sorted(found.by_name) == ["other", "uses"]
    assert found.find("uses").call(Event(), None) == (7, "other")


def test_a_module_has_a_name_of_its_own_and_takes_none_from_anybody(folder: Folder) -> None:
    folder.write("json.py", '@event_function("own_json")\ndef own_json(event, db): ...\n')
    before = sys.modules.get("json")
    first, second = folder.load(), folder.load()
    assert sys.modules.get("json") is before
    one, other = first.find("own_json"), second.find("own_json")
    assert one.module != other.module
    assert str(folder.path) not in sys.path
    assert "json" not in {one.module, other.module}


def test_tests_beside_the_functions_are_left_alone(folder: Folder) -> None:
    for name in ("test_copying.py", "copying_test.py", "conftest.py"):
        folder.write(name, "raise RuntimeError\n")
    folder.function("copying.py", "copy_input")
    assert (list(folder.load().by_name), folder.load().broken) == (["copy_input"], ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'raise RuntimeError("{SECRET}")', "RuntimeError in broken.py, line 2"),
        (f'{{}}["{SECRET}"]', "KeyError in broken.py, line 2"),
        (f"def broken(:  # {SECRET}", "SyntaxError in broken.py, line 2"),
        ("import not_installed_at_all", "ModuleNotFoundError (not_installed_at_all) in broken.py, line 2"),
        (f'raise ImportError(name="postgres://u:{SECRET}@host/x")', "ImportError in broken.py, line 2"),
        ("undefined_name", "NameError (undefined_name) in broken.py, line 2"),
        (f'import sys; sys.exit("{SECRET}")', "SystemExit in broken.py, line 2"),
        ("from . import not_there", "ImportError"),
        ("def f(): f()\nf()", "RecursionError in broken.py, line 2"),
        (
            f'@event_function("x")\ndef x(event, db, password="{SECRET}", *, more): ...',
            "takes (event, db, password, more)",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_breaks_its_own_functions_alone(folder: Folder, text: str, said: str) -> None:
    folder.function("fine.py", "fine")
    folder.write("broken.py", text)
    found = folder.load()
    assert list(found.by_name) == ["fine"]
    (why,) = found.broken
    assert why.startswith("broken.py: ")
    assert said in why
    assert "Fix: " in why
    assert SECRET not in why
    with pytest.raises(FunctionRefused) as refused:
        found.find("x")
    assert why in str(refused.value)


def test_what_a_broken_module_registered_before_it_broke_is_not_run(folder: Folder) -> None:
    folder.write("half.py", '@event_function("half")\ndef half(event, db): ...\n\nraise RuntimeError\n')
    found = folder.load()
    assert dict(found.by_name) == {}
    with pytest.raises(FunctionRefused, match=r"It may be in what could not be loaded: half.py: RuntimeError"):
        found.find("half")


def test_a_module_that_imports_a_broken_one_is_broken_by_it(folder: Folder) -> None:
    folder.write("a.py", 'from . import b\n\n@event_function("a")\ndef a(event, db): ...\n')
    folder.write("b.py", "raise KeyError\n")
    found = folder.load()
    assert dict(found.by_name) == {}
    assert [why.partition(" when")[0] for why in found.broken] == [
        "a.py: KeyError in b.py, line 2",
        "b.py: KeyError in b.py, line 2",
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x = '\x00'\n"])
def test_a_file_that_is_no_text_is_told_by_its_name(folder: Folder, content: bytes) -> None:
    (folder.path / "odd.py").write_bytes(content)
    (why,) = folder.load().broken
    assert why.startswith("odd.py: ")


def test_two_functions_of_one_name_are_both_refused(folder: Folder) -> None:
    folder.function("first.py", "same")
    folder.function("second.py", "same")
    folder.function("third.py", "other")
    found = folder.load()
    assert list(found.by_name) == ["other"]
    with pytest.raises(FunctionRefused) as refused:
        found.find("same")
    assert "first.py, line 3; second.py, line 3" in str(refused.value)
    assert "None of them is run" in str(refused.value)


def test_two_functions_of_one_name_in_one_module_are_refused_too(folder: Folder) -> None:
    folder.write("twice.py", "\n".join(f'@event_function("same")\ndef f{n}(event, db): ...' for n in range(2)))
    with pytest.raises(FunctionRefused, match="2 functions have the name 'same'"):
        folder.load().find("same")


@pytest.mark.parametrize(
    "name",
    [
        "canary",
        "canary.run",
        "canary:run",
        "os.system",
        "pg_archiver.events.loading",
        "../canary",
        "/etc/passwd",
        "__import__('canary')",
        "fine; import canary",
        "fine.__globals__",
        "",
        "a" * 5000,
        "'; DROP TABLE x; --",
        "\x00",
    ],
)
def test_a_name_never_leads_to_an_import(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sang = tmp_path / "sang"
    beside = tmp_path / "beside"
    beside.mkdir()
    for where in (beside, tmp_path):
        (where / "canary.py").write_text(f"open({str(sang)!r}, 'w').close()\ndef run(event, db): ...\n")
    monkeypatch.syspath_prepend(str(beside))
    folder.function("fine.py", "fine")
    found = folder.load()
    with pytest.raises(FunctionRefused) as refused:
        found.find(name)
    assert len(str(refused.value)) < 1000
    assert not sang.exists()
    assert "canary" not in sys.modules


def test_nothing_outside_of_the_folder_is_loaded(folder: Folder, tmp_path: Path) -> None:
    sang = tmp_path / "sang"
    canary = f"open({str(sang)!r}, 'w').close()\n"
    (tmp_path / "above.py").write_text(canary)
    below = folder.path / "below"
    below.mkdir()
    (below / "deep.py").write_text(canary)
    (folder.path / "linked.py").symlink_to(tmp_path / "above.py")
    folder.write("up.py", "from .. import above\n")
    found = folder.load()
    assert not sang.exists()
    assert [why.partition(". ")[0] for why in found.broken] == [
        "linked.py: it is a link to a file outside of the folder",
        "up.py: ImportError in up.py, line 2 when it was imported",
    ]


def test_a_link_within_the_folder_is_a_file_of_it(folder: Folder, tmp_path: Path) -> None:
    """As Kubernetes mounts the files of a ConfigMap."""
    data = folder.path / "..data"
    data.mkdir()
    (data / "mounted.py").write_text(HEAD + '@event_function("mounted")\ndef mounted(event, db): ...\n')
    (folder.path / "mounted.py").symlink_to(data / "mounted.py")
    link = tmp_path / "link"
    link.symlink_to(folder.path)
    assert list(load_functions(link).by_name) == ["mounted"]


def test_a_file_whose_name_is_none_of_a_module_is_told(folder: Folder) -> None:
    folder.write("copy-input.py", "raise RuntimeError\n")
    assert folder.load().broken[0].startswith("copy-input.py: its name is no name of a module")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_FUNCTIONS", str(tmp_path / "none"))
    with pytest.raises(SettingError, match=r"none is not there. No function was loaded. Fix: .*ARCHIVER_FUNCTIONS"):
        load_functions(functions_folder())


def test_the_folder_is_include_functions_unless_the_variable_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIVER_FUNCTIONS", raising=False)
    assert functions_folder().parts[-2:] == ("include", "functions")
    monkeypatch.setenv("ARCHIVER_FUNCTIONS", "/somewhere")
    assert functions_folder() == Path("/somewhere")
