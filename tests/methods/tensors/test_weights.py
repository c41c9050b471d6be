from io import BytesIO

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from secateur.methods.networks import ResNet, cifar_resnet
from secateur.methods.tensors.weights import assign, read_weights, state_of


def network() -> ResNet:
    return ResNet(blocks=1, widths=(2, 4), in_channels=3, classes=5)


def test_safetensors_come_back_as_they_were_written(tmp_path):
    state = state_of(network())
    save_file(state, tmp_path / "weights.safetensors")
    loaded = read_weights(tmp_path / "weights.safetensors")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives_come_back_as_they_were_written(tmp_path, save):
    state = state_of(network())
    save(tmp_path / "weights.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    loaded = read_weights(tmp_path / "weights.npz")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_loaded_weights_make_the_network_compute_the_same():
    one, other = network().eval(), network().eval()
    images = torch.rand(2, 3, 8, 8)
    assert not torch.equal(one(images), other(images))
    assign(other, state_of(one))
    torch.testing.assert_close(one(images), other(images))


def test_the_state_holds_everything_but_batch_counters():
    names = set(network().state_dict())
    counters = {name for name in names if name.endswith("num_batches_tracked")}
    assert counters
    assert set(state_of(network())) == names - counters


def test_weights_with_batch_counters_are_taken_too():
    one = network()
    assert assign(network(), one.state_dict())


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no weights at .*gone\.npz"):
        read_weights(tmp_path / "gone.npz")


def test_a_pickled_checkpoint_is_refused_with_the_way_to_convert_it(tmp_path):
    torch.save(network().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"convert a \.pth file"):
        read_weights(tmp_path / "weights.pth")


def test_a_pickled_object_in_an_archive_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").touch, ())

    np.savez(tmp_path / "weights.npz", **{"conv1.weight": np.array([Bomb()], dtype=object)})
    with pytest.raises(ValueError, match="cannot read the weights"):
        read_weights(tmp_path / "weights.npz")
    assert not (tmp_path / "exploded").exists()


def compressed() -> bytearray:
    buffer = BytesIO()
    np.savez_compressed(buffer, weight=np.random.default_rng(0).random(1000))
    return bytearray(buffer.getvalue())


def damaged() -> bytes:
    content = compressed()
    content[60] ^= 0xFF
    return bytes(content)


def array_file() -> bytes:
    buffer = BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def words() -> bytes:
    buffer = BytesIO()
    np.savez(buffer, weight=np.array(["none"]))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("w.npz", b"junk" * 100, id="junk"),
        pytest.param("w.npz", bytes(compressed()[:2000]), id="cut short"),
        pytest.param("w.npz", b"", id="empty"),
        pytest.param("w.npz", damaged(), id="damaged"),
        pytest.param("w.npz", array_file(), id="a single array"),
        pytest.param("w.npz", words(), id="an array of words"),
        pytest.param("w.safetensors", b"junk" * 100, id="junk in safetensors"),
        pytest.param("w.safetensors", b"", id="empty safetensors"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"cannot read the weights in .*{name}"):
        read_weights(tmp_path / name)


def test_a_missing_tensor_is_named():
    state = state_of(network())
    del state["linear.bias"]
    with pytest.raises(
        ValueError, match=r"of another architecture than ResNet: missing linear\.bi"
    ):
        assign(network(), state)


def test_an_unexpected_tensor_is_named():
    with pytest.raises(ValueError, match=r"unexpected module\.conv1\.weight"):
        assign(network(), state_of(network()) | {"module.conv1.weight": torch.zeros(1)})


def test_a_tensor_of_another_shape_is_named_with_both_shapes():
    wider = ResNet(blocks=1, widths=(2, 4), in_channels=3, classes=7)
    with pytest.raises(ValueError, match=r"linear\.weight is \(7, 4\), the network has \(5, 4\)"):
        assign(network(), state_of(wider))


def test_of_many_differences_three_are_named_and_the_rest_counted():
    with pytest.raises(ValueError, match=r"and 3 more$"):
        assign(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), {})


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(broken):
    state = state_of(network())
    state["layer1.0.conv2.weight"] = torch.full_like(state["layer1.0.conv2.weight"], broken)
    with pytest.raises(ValueError, match=r"NaN or infinite numbers, first in layer1\.0\.conv2"):
        assign(network(), state)


def test_published_weights_fit_their_network(real_data):
    for depth in (20, 32, 56):
        weights = read_weights(real_data / "cifar10_weights" / f"resnet{depth}.npz")
        loaded = state_of(assign(cifar_resnet(depth), weights))
        assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())
