"""What stays in its place need not move."""

import torch

from nmt.decoding.beam import hypotheses_in_place, sentences_in_place


def test_late_sentences_take_the_places_of_ended_ones() -> None:
    assert sentences_in_place([True, False, True, False, True, True]) == [0, 4, 2, 5]
    assert sentences_in_place([True, True]) == [0, 1]
    assert sentences_in_place([False, False]) == []


def test_places_by_hand() -> None:
    """Candidates 5, 7, 2, 4 descend from hypotheses 1, 1, 0, 3: the second of 1 goes to place 2."""
    parents = torch.tensor([[9, 9, 0, 9, 3, 1, 9, 1]])
    order = torch.tensor([[5, 7, 2, 4]])
    assert hypotheses_in_place(order, parents, 4).tolist() == [[2, 5, 7, 4]]


def test_each_parents_first_child_is_in_its_place() -> None:
    generator = torch.Generator().manual_seed(1)
    for beam in (1, 2, 4, 7):
        parents = torch.randint(0, beam, (50, 2 * beam), generator=generator)
        order = torch.stack(
            [torch.randperm(2 * beam, generator=generator)[:beam] for _ in range(50)]
        )
        found = hypotheses_in_place(order, parents, beam)
        assert torch.equal(found.sort(1).values, order.sort(1).values)  # none lost, none twice
        for row in range(50):
            by_place = parents[row, found[row]].tolist()
            for parent in set(by_place):
                first = next(each for each in order[row].tolist() if parents[row, each] == parent)
                assert found[row, parent] == first
