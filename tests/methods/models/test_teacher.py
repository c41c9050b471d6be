import numpy as np
import torch

from secateur.methods.data.images import Images
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.teacher import Teacher
from secateur.methods.networks import cifar_resnet
from secateur.methods.tensors.weights import state_of


def test_a_teacher_sees_images_as_its_own_normalisation_has_them():
    given, own = Normalisation((0.5,) * 3, (0.5,) * 3), Normalisation((0.3, 0.4, 0.5), (0.2,) * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    images = Images(pixels, np.zeros(4, dtype=np.int64))
    network = cifar_resnet(8).eval()
    arguments = {"depth": 8}
    teacher = Teacher(
        "secateur.methods.networks:cifar_resnet", arguments, state_of(network), (given, own)
    )
    with torch.inference_mode():
        torch.testing.assert_close(
            teacher.network()(given(images)), network(own(images)), rtol=1e-4, atol=1e-5
        )
