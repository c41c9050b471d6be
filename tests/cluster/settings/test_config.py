from pathlib import Path

import pytest
import yaml

from secateur.cluster.settings.checked import ConfigError, as_yaml, parse_override
from secateur.cluster.settings.config import (
    Config,
    check_config,
    read_config,
    with_absolute_paths,
)
from secateur.cluster.settings.graph_config import (
    AUTHORS,
    check_graph_config,
    read_graph_config,
    settled,
)

EVERY = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
ON_GRAPHS = [path for path in EVERY if path.name.startswith("icpg-")]
EXAMPLES = [path for path in EVERY if path not in ON_GRAPHS]


def refused(values: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        check_config(values, source="x.yaml")


def test_an_empty_configuration_is_the_demo():
    config = read_config(None, {})
    assert config == Config()
    assert config.data.name == "digits"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid_and_survives_a_round_trip(path):
    config = read_config(path, {})
    assert config.name == path.stem
    assert check_config(yaml.safe_load(as_yaml(config)), source="again") == config


@pytest.mark.parametrize("path", ON_GRAPHS, ids=lambda path: path.stem)
def test_every_example_on_graphs_is_valid_and_survives_a_round_trip(path):
    config = read_graph_config(path, {})
    assert config.name == path.stem
    assert check_graph_config(yaml.safe_load(as_yaml(config)), source="again") == config


@pytest.mark.parametrize("level", ["graph", "node"])
def test_what_is_left_out_is_what_the_authors_have(level):
    config = settled(check_graph_config({"masker": {"hidden": 7}}, source="x.yaml"), level)
    assert config.masker.hidden == 7
    assert config.network.hidden == AUTHORS[level]["network"]["hidden"]
    assert config.training.learning_rate == AUTHORS[level]["training"]["learning_rate"]
    assert settled(config, level) == config


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", "+1e-3"])
def test_a_number_may_have_an_exponent(tmp_path, text):
    (tmp_path / "x.yaml").write_text(f"clad: {{learner_rate: {text}}}\n")
    assert read_config(tmp_path / "x.yaml", {}).clad.learner_rate == 1e-3
    assert parse_override(f"clad.learner_rate={text}") == ("clad.learner_rate", 1e-3)
    assert parse_override("name=1e-3x") == ("name", "1e-3x")


def test_a_name_like_a_number_survives_a_round_trip(tmp_path):
    config = check_config({"name": "1e5"}, source="x.yaml")
    (tmp_path / "x.yaml").write_text(as_yaml(config))
    assert read_config(tmp_path / "x.yaml", {}) == config


def test_an_unknown_key_is_named_with_its_path_and_the_nearest_valid_key():
    refused(
        {"search": {"evalutions": 5}},
        r"x.yaml: unknown key search\.evalutions: did you mean evaluations\?",
    )


def test_an_unknown_key_like_no_other_is_answered_with_the_valid_ones():
    refused({"search": {"zzz": 5}}, "valid keys are algorithm, evaluations, hours")


def test_an_unknown_key_in_a_nested_section_finds_that_section_s_keys():
    refused(
        {"network": {"training": {"epoch": 5}}}, r"network\.training\.epoch: did you mean epochs"
    )


def test_an_unknown_key_in_a_section_that_may_be_left_out_finds_that_section_s_keys():
    with pytest.raises(ConfigError, match=r"key search\.evalutions: did you mean evaluations\?"):
        check_graph_config({"search": {"evalutions": 5}}, source="x.yaml")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (0, "greater than or equal to 1 or 'auto', got 0"),
        ("x", "a valid integer or 'auto', got 'x'"),
    ],
)
def test_a_value_that_may_be_of_two_types_is_one_problem_at_its_own_path(value, match):
    refused({"finetune": {"threads": value}}, rf"^x\.yaml: finetune\.threads: should be {match}$")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"search": {"evaluations": 0}}, r"search\.evaluations: .*greater than or equal to 1.*0"),
        ({"search": {"evaluations": "many"}}, r"search\.evaluations: .*integer.*'many'"),
        ({"search": {"evaluations": True}}, r"search\.evaluations: .*integer"),
        ({"search": 5}, r"x\.yaml: search: "),
        ({"workers": {"evaluators": 0}}, r"workers\.evaluators: should be auto or at least 1"),
        ({"workers": {"evaluators": "all"}}, r"workers\.evaluators: should be auto or at least 1"),
        (
            {"pruning": {"criterion": "l9"}},
            r"pruning\.criterion: should be l2, l1, .* list .* got 'l9'",
        ),
        ({"pruning": {"criterion": []}}, r"pruning\.criterion: should be .* got \[\]"),
        ({"pruning": {"criterion": ["l1", "l1"]}}, "should be .* a list of different ones"),
        ({"objectives": ["error"]}, "at least one other objective"),
        ({"objectives": ["error", "error"]}, "each once"),
        ({"objectives": ["macs", "params"]}, "must hold error"),
        (
            {"objectives": ["error", "latnecy_ms"]},
            "objectives must be of .*'latnecy_ms'",
        ),
        ({"name": "a/b"}, "name must do as the name of a folder"),
        (
            {"finetune": {"workers": 2, "least_workers": 3}},
            r"finetune: least_workers must be at most workers, 2, got 3",
        ),
        ({"latency": {"seconds": -1.0}}, r"latency\.seconds: .*greater than 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_what_came(values, match):
    refused(values, match)


def test_several_problems_are_counted():
    refused({"search": {"evaluations": 0, "seed": -1}}, r"\(and 1 more\)")


def test_error_is_always_the_first_objective():
    config = check_config({"objectives": ["macs", "error"]}, source="x")
    assert config.objectives == ["error", "macs"]


def test_overrides_reach_nested_keys_and_are_read_as_yaml():
    overrides = dict([parse_override("search.evaluations=7"), parse_override("pruning.ignore=[a]")])
    config = read_config(None, overrides)
    assert config.search.evaluations == 7
    assert config.pruning.ignore == ["a"]


@pytest.mark.parametrize("text", ["search", "=3", "search=[1"])
@pytest.mark.parametrize("option", ["--set", "--target"])
def test_a_malformed_override_is_refused(text, option):
    with pytest.raises(ConfigError, match=f"^{option} "):
        parse_override(text, option)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"a: [1", "is no YAML in line"),
        (b"- 1", "must hold keys and values, got list"),
        (b"\xff\xfe\x00\x81", "it is no text file"),
        (b"a: !!python/object/apply:os.getcwd []", "is no YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(tmp_path, content, match):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=match) as caught:
        read_config(path, {})
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.yaml"):
        read_config(tmp_path / "none.yaml", {})


def test_an_empty_file_is_the_demo(tmp_path):
    (tmp_path / "empty.yaml").touch()
    assert read_config(tmp_path / "empty.yaml", {}) == Config()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.fidelity.images", 5, "search.fidelity.images: should be greater than or equal"),
        ("search.fidelity.promotion", 1.5, "search.fidelity.promotion: should be less than or"),
        ("search.fidelity.epochs", 0, "search.fidelity.epochs: should be greater than or equal"),
        ("finetune.distillation", 2.0, "finetune.distillation: should be less than or equal to 1"),
        ("finetune.thread", 2, "unknown key finetune.thread: did you mean threads?"),
    ],
)
def test_rungs_and_training_are_checked(key, value, message):
    with pytest.raises(ConfigError, match=message):
        read_config(None, {key: value})


TARGETS = {
    "latency": {"threads": 2},
    "targets": {"phone": {"precision": "int8"}, "server": {"threads": 4, "profiler": "rack"}},
    "objectives": ["error", "latency_ms@phone", "latency_ms@server", "latency_ms"],
    "workers": {"profiler": "board"},
}


def test_a_target_has_from_latency_what_it_does_not_say():
    config = check_config(TARGETS, source="mine")
    phone, server = (config.timing(f"latency_ms@{name}") for name in ("phone", "server"))
    assert (phone.threads, phone.precision) == (2, "int8")
    assert (server.threads, server.precision) == (4, "fp32")
    assert list(config.latencies) == ["latency_ms@phone", "latency_ms@server", "latency_ms"]
    again = check_config(config.model_dump(mode="json"), source="mine")
    assert again == config


def test_a_target_of_another_node_is_measured_there():
    config = check_config(TARGETS, source="mine")
    nodes = [config.node_of(name) for name in ("error", *config.latencies)]
    assert nodes == [None, None, "rack", None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ["error", "latency_ms@fone"]}, "objectives must be of .*latency_ms@phone"),
        ({"constraints": ["latency_ms@fone <= 0.5x"]}, "must bound one of .*latency_ms@phone"),
        (
            {"targets": {"phone": {"thread": 2}}},
            r"unknown key targets\.phone\.thread: did you mean",
        ),
        ({"targets": {"phone": {"batch": 0}}}, r"targets\.phone\.batch: .*greater than or equal"),
        ({"targets": {"phone": 3}}, r"targets\.phone: "),
        ({"latency": {"precision": "int7"}}, r"precision: should be 'fp32' or 'int8', got 'int7'"),
    ],
)
def test_targets_are_checked(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_config(TARGETS | changes, source="mine")


def test_a_bound_may_be_that_of_a_target():
    config = check_config(TARGETS | {"constraints": ["latency_ms@phone <= 0.5x"]}, source="mine")
    assert config.quantities[1] == "latency_ms@phone"


@pytest.mark.parametrize(
    ("teacher", "found"), [("exported/", "{}/exported"), ("cifar10:resnet56", "cifar10:resnet56")]
)
def test_a_teacher_in_a_folder_is_found_from_any_other(tmp_path, monkeypatch, teacher, found):
    (tmp_path / "exported").mkdir()
    monkeypatch.chdir(tmp_path)
    config = with_absolute_paths(check_config({"clad": {"teacher": teacher}}, source="test"))
    assert config.clad.teacher == found.format(tmp_path)
