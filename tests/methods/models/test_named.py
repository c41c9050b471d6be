import pytest
import torch
from torch import nn
from torchvision.models import get_model

from secateur.methods.data.photographs import photographs
from secateur.methods.models.exported import save
from secateur.methods.models.named import IMAGENET, PUBLISHED, load_model
from secateur.methods.networks import cifar_resnet


def test_a_torchvision_network_is_named_as_torchvision_does():
    model = load_model("torchvision:squeezenet1_1")
    assert type(model.network).__name__ == "SqueezeNet"
    assert (model.shape, model.normalisation) == ((3, 224, 224), IMAGENET)
    assert not model.network.training


def test_inception_takes_larger_images_and_comes_without_auxiliary_classifiers():
    model = load_model("torchvision:inception_v3")
    assert model.shape == (3, 299, 299)
    assert not any("Aux" in name for name, _ in model.network.named_modules())


@pytest.mark.parametrize(
    ("architecture", "weights", "size", "built"),
    [
        ("efficientnet_b1", "IMAGENET1K_V2", 240, {}),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", 384, {"image_size": 384}),
    ],
)
def test_images_are_as_published_weights_expect_them(
    monkeypatch, architecture, weights, size, built
):
    published = get_model(architecture, weights=None, **built)
    monkeypatch.setattr("secateur.methods.models.named._download", lambda *_: published)
    model = load_model(f"torchvision:{architecture}@{weights}")
    assert model.shape == (3, size, size)
    assert model.arguments == {"weights": None, **built}


def test_an_own_network_is_named_by_its_import_path(monkeypatch, tmp_path):
    (tmp_path / "mynets.py").write_text("import torch.nn as nn\ndef tiny(): return nn.ReLU()\n")
    monkeypatch.chdir(tmp_path)
    model = load_model("mynets:tiny", shape=(1, 8, 8))
    assert isinstance(model.network, nn.ReLU)
    assert model.shape == (1, 8, 8)


def test_an_exported_folder_is_a_model(tmp_path):
    card = {
        "factory": "secateur.methods.networks:cifar_resnet",
        "arguments": {"depth": 8},
        "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0, 1.0]},
        "input": [3, 32, 32],
    }
    network = cifar_resnet(8)
    save(tmp_path / "net", network, b"", card)
    model = load_model(str(tmp_path / "net"))
    assert torch.equal(model.network.conv1.weight, network.conv1.weight)
    assert (model.shape, model.normalisation.mean) == ((3, 32, 32), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "'nosuch' is no model: expected an exported folder, torchvision:NAME"),
        ("torchvision:resnet19", "no classification network called 'resnet19'"),
        ("torchvision:alexnet@NO", "torchvision has no weights of that name"),
        ("cifar10:vgg", "'cifar10:vgg' is unknown: the published ones are resnet20, "),
        ("cifar10:resnet20", "give --data-root"),
        ("secateur.methods.networks:nothing", "has no callable 'nothing'"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        load_model(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks_load_by_the_shapes_of_their_weights(real_data, name):
    model = load_model(f"cifar10:{name}", root=real_data)
    params = sum(parameter.numel() for parameter in model.network.parameters())
    assert (
        params
        == {  # the data card's numbers
            "resnet20": 269_722,
            "resnet32": 464_154,
            "resnet56": 853_018,
            "resnet56b_groupsl_dense": 855_770,
            "resnet56b_groupsl_pruned": 294_225,
        }[name]
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_photographs_are_real_images_of_any_shape(channels):
    inputs = photographs((channels, 40, 56), IMAGENET)
    assert inputs.shape == (2, channels, 40, 56)
    assert torch.isfinite(inputs).all()
    assert inputs.std() > 0.5
    assert not torch.equal(inputs[0], inputs[1])
