import pytest

from secateur.actors.job import Answer
from secateur.cluster.commands.cli import main
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.config import check_config
from secateur.cluster.storage.artifacts import Artifacts
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate

COMMANDS = (
    *("search", "resume", "status", "front", "report", "evaluate", "export", "finetune"),
    *("inspect", "cut", "submit", "attach", "stop"),
)


def answer(capsys, *arguments: str) -> tuple[int, str]:
    """Run the command line in this process: its code, and what it said on stderr."""
    code = main(arguments)
    return code, capsys.readouterr().err


def refused(capsys, *arguments: str) -> str:
    code, errors = answer(capsys, *arguments)
    assert code == 2
    assert "Traceback" not in errors
    *progress, message = errors.splitlines()
    assert progress in ([], ["loading data and network"])
    assert message.startswith("secateur: ")
    return message


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: secateur {command}")
    assert "--" in text


def test_no_command_shows_the_help(capsys):
    _, errors = answer(capsys)
    assert all(command in errors for command in COMMANDS)


def test_an_unknown_command_is_refused(capsys):
    assert "No such command 'prune'" in refused(capsys, "prune")


def test_an_option_that_is_no_number_is_refused(capsys):
    assert "'many' is not a valid integer" in refused(capsys, "search", "--evaluations", "many")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--evaluations", "0"), "search.evaluations: should be greater than or equal to 1, got 0"),
        (("--set", "serch.seed=1"), "unknown key serch: did you mean search?"),
        (("--evaluators", "0"), "workers.evaluators: should be auto or at least 1, got 0"),
        (("--data-root", "/no/such/folder"), "data.root: no folder at /no/such/folder"),
        (("--set", "data.name=mnist"), "no data set is called 'mnist': use cifar10, digits"),
        (("--set", "network.factory=nowhere:x"), "cannot import 'nowhere'"),
        (("--set", "network.weights=w.npz"), "network.weights: no file at w.npz"),
        (("--set", "search.fidelity.images=500"), "fewer than the 500 images of the search split"),
        (
            ("--set", "search.fidelity.epochs=1", "--set", "finetune.batch=798"),
            "choose another finetune.batch",
        ),
        (("--set", "pruning.ignore=[nothing*]"), "the pattern 'nothing*' matches no layer"),
    ],
)
def test_a_search_that_cannot_start_is_refused_and_leaves_nothing(
    capsys, tmp_path, arguments, expected
):
    run = tmp_path / "run"
    assert expected in refused(capsys, "search", "--run", str(run), *arguments)
    assert not run.exists()


def test_a_network_that_does_not_fit_the_data_is_refused(capsys, tmp_path):
    factory = "network.factory=secateur.methods.networks:cifar_resnet"
    arguments = ("--set", factory, "--set", "network.arguments.depth=20")
    errors = refused(capsys, "search", "--run", str(tmp_path / "run"), *arguments)
    assert "ResNet does not take images of shape (1, 8, 8)" in errors


def test_weights_of_another_architecture_are_refused(capsys, tmp_path, real_data):
    code = main(
        [
            *("search", "--run", str(tmp_path / "run"), "--data-root", str(real_data)),
            *("--set", "data.name=cifar10", "--set", "network.arguments.depth=20"),
            *("--set", "network.factory=secateur.methods.networks:cifar_resnet"),
            *("--set", "network.weights=cifar10_weights/resnet56.npz"),
        ]
    )
    assert code == 2
    assert "the weights are of another architecture than ResNet" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(capsys, tmp_path):
    (tmp_path / "file").touch()
    errors = refused(capsys, "search", "--run", str(tmp_path / "file" / "run"))
    assert "cannot make the run folder" in errors
    assert "Not a directory" in errors


@pytest.mark.parametrize("command", ["resume", "status", "front", "report"])
def test_a_folder_without_a_run_is_refused(capsys, tmp_path, command):
    assert f"no run in {tmp_path}" in refused(capsys, command, str(tmp_path))


@pytest.mark.parametrize("command", ["resume", "status", "front", "report"])
def test_a_journal_of_another_version_ends_the_command_in_one_line(capsys, tmp_path, command):
    Journal.create(tmp_path, {"format": 7}).close()
    code, errors = answer(capsys, command, str(tmp_path))
    assert code == 1
    assert "journal format 7, this version reads 3" in errors
    assert errors.count("\n") == 1


def test_a_run_without_an_evaluation_has_no_front_yet(capsys, tmp_path):
    facts = {"config": {}, "groups": [], "dense_widths": []}
    Journal.create(tmp_path, facts).close()
    assert main(["status", str(tmp_path)]) == 0
    assert "stopped" in capsys.readouterr().out
    assert "has no evaluation yet" in refused(capsys, "front", str(tmp_path))


def test_a_training_has_no_status_after_so_many_evaluations(capsys, tmp_path):
    Journal.create(tmp_path, {"config": {}, METHOD: "icpg"}).close()
    errors = refused(capsys, "status", str(tmp_path), "--at", "3")
    assert errors == f"secateur: --at is for a search, {tmp_path} is a training"


def test_a_folder_without_an_exported_network_is_refused(capsys, tmp_path):
    errors = refused(capsys, "evaluate", str(tmp_path), "--data", "digits")
    assert "holds no exported network" in errors


def test_an_export_never_overwrites(capsys, tmp_path):
    (tmp_path / "precious").touch()
    errors = refused(capsys, "export", str(tmp_path), "--pick", "knee", "--to", str(tmp_path))
    assert "--to must be a new or an empty folder" in errors


def test_an_export_of_a_network_that_was_changed_is_refused(capsys, tmp_path):
    (run := tmp_path / "run").mkdir()
    (run / "dense.safetensors").write_bytes(b"as it was")
    config = check_config({"objectives": ["error", "macs"]}, source="test")
    journal = Journal.create(run, {"config": config.model_dump(mode="json"), "groups": ["a"]})
    journal.asked(Candidate(0, (8,), "dense"), Cost(100, 50, 200))
    journal.answered(Answer(0, "error", Estimate.exact(0.1), "evaluator-0", 1.0))
    Artifacts(journal).keep(run / "dense.safetensors")
    journal.close()
    (run / "dense.safetensors").write_bytes(b"changed")
    errors = refused(capsys, "export", str(run), "--pick", "0", "--to", str(tmp_path / "to"))
    assert "dense.safetensors is not what the run left there" in errors


@pytest.mark.parametrize("given", ["--seed=-1", "--set=finetune.seed=-1"])
def test_a_fine_tuning_by_impossible_settings_is_refused(capsys, tmp_path, given):
    Journal.create(tmp_path, {"config": {}, "groups": []}).close()
    errors = refused(capsys, "finetune", str(tmp_path), "--pick", "knee", given)
    assert "finetune.seed: should be greater than or equal to 0, got -1" in errors


def test_an_option_goes_before_a_key_that_is_set(capsys, tmp_path):
    given = ("--evaluations", "0", "--set", "search.evaluations=7")
    assert "got 0" in refused(capsys, "search", "--run", str(tmp_path / "run"), *given)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("a file at s3://bucket: no such bucket"), "a file at s3://bucket: no such bucket"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(13, "Permission denied", "file"), "cannot use file: Permission denied"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_line(capsys, tmp_path, monkeypatch, error, told):
    def refusing(*_, **__):
        raise error

    monkeypatch.setattr(Journal, "open", refusing)
    assert answer(capsys, "status", str(tmp_path)) == (1, f"secateur: {told}\n")


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="no run in"):
        main(["status", str(tmp_path), "--debug"])


def test_a_run_that_cannot_be_read_is_listed_as_such_beside_the_others(capsys, tmp_path):
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    for name, facts in (("one", {"format": 7}), ("other", {"config": {}, "groups": []})):
        (tmp_path / name).mkdir()
        Journal.create(tmp_path / name, facts, url=url).close()
    assert main(["runs", url]) == 0
    one, other = capsys.readouterr().out.splitlines()
    assert one.startswith(f"unreadable              {tmp_path / 'one'}: ")
    assert "has journal format 7, this version reads 3" in one
    assert other == f"stopped        0/200    {tmp_path / 'other'}"


def test_runs_of_a_database_that_cannot_be_used_are_named(capsys):
    code, errors = answer(capsys, "runs", "mongodb://host/x")
    assert code == 2
    assert "'mongodb' names no database that can be used" in errors
    assert errors.count("\n") == 1
