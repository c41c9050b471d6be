import sys

import pytest

from secateur.methods.import_path import resolve


@pytest.fixture(autouse=True)
def _own_search_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_an_installed_callable_is_found():
    assert resolve("collections:OrderedDict")(a=1) == {"a": 1}


def test_a_module_in_the_working_directory_is_found(tmp_path, monkeypatch):
    (tmp_path / "module_of_a_user.py").write_text("def seven():\n    return 7\n")
    monkeypatch.chdir(tmp_path)
    assert resolve("module_of_a_user:seven")() == 7


def test_an_installed_module_wins_over_one_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "fractions.py").write_text("Fraction = print\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "fractions", raising=False)
    assert resolve("fractions:Fraction")(1, 2) == 0.5


@pytest.mark.parametrize("path", ["collections", "collections:", ":OrderedDict", "", ":"])
def test_a_path_of_another_form_is_refused(path):
    with pytest.raises(ValueError, match="expected an import path like package"):
        resolve(path)


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"cannot import 'no\.such\.module'"):
        resolve("no.such.module:network")


@pytest.mark.parametrize("name", ["missing", "__doc__"])
def test_what_is_no_callable_is_named(name):
    with pytest.raises(ValueError, match=f"collections has no callable '{name}'"):
        resolve(f"collections:{name}")
