import hashlib

from secateur.cluster.runs.archive import archive_hash
from secateur.search.candidate import Candidate

DENSE, CLIMBED = Candidate(0, (16, 32), "dense"), Candidate(1, (8, 32), "local search")


def test_the_archive_hash_is_that_of_the_canonical_json():
    text = (
        '[{"genome":[16,32],"number":0,"objectives":{"error":0.5,"macs":10.0}},'
        '{"genome":[8,32],"number":1,"objectives":null}]'
    )
    entries = [(DENSE, {"macs": 10.0, "error": 0.5}), (CLIMBED, None)]
    assert archive_hash(entries) == hashlib.sha256(text.encode()).hexdigest()


def test_the_archive_hash_sees_order_and_every_digit():
    one, other = (DENSE, {"error": 0.5}), (CLIMBED, {"error": 0.25})
    hashes = {
        archive_hash([one, other]),
        archive_hash([other, one]),
        archive_hash([one]),
        archive_hash([one, (CLIMBED, {"error": 0.2500000000000001})]),
    }
    assert len(hashes) == 4
