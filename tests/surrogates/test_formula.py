import numpy as np

from secateur.surrogates.formula import formula

GENOMES = np.array([[8, 16], [16, 16], [4, 32]])


def test_a_formula_is_exact_and_sure_whatever_was_measured():
    surrogate = formula(lambda genomes: genomes.sum(axis=1).astype(float), 2)
    for values in (np.zeros(3), np.array([5.0, -1.0, 2.0])):
        mean, deviation = surrogate(GENOMES, values)(GENOMES[::-1])
        assert mean.tolist() == [36.0, 32.0, 24.0]
        assert deviation.tolist() == [0.0, 0.0, 0.0]


def test_a_formula_needs_no_measurement():
    surrogate = formula(lambda widths: widths[:, 0] * 2.0, 2)
    mean, _ = surrogate(GENOMES[:0], np.empty(0))(GENOMES)
    assert mean.tolist() == [16.0, 32.0, 8.0]


def test_genes_behind_the_widths_do_not_reach_the_formula():
    surrogate = formula(lambda widths: widths.sum(axis=1).astype(float), 1)
    mean, _ = surrogate(GENOMES[:0], np.empty(0))(GENOMES)
    assert mean.tolist() == [8.0, 16.0, 4.0]
