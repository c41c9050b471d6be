import torch

from secateur.methods.training.precision import answers
from striped import INPUTS, trained


def test_a_network_in_bf16_answers_nearly_as_in_fp32():
    network = trained().eval()
    with torch.no_grad():
        exact, near = (answers(network, INPUTS, precision) for precision in ("fp32", "bf16"))
        assert torch.equal(exact, network(INPUTS))
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    assert (near - exact).abs().max() < 0.05 * exact.abs().max()
