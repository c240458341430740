import numpy as np
import pytest
import torch

from recsys.towers.losses import masked_softmax_loss


def test_with_all_items_it_is_the_cross_entropy_of_the_full_softmax():
    random = np.random.default_rng(0)
    scores = torch.from_numpy(random.normal(size=(1, 10)))
    own, targets = [0, 1, 2, 3], [2, 3]  # 0 and 1 are visible, 2 and 3 hidden
    is_negative = torch.tensor([[item not in own for item in range(10)]])
    loss = masked_softmax_loss(
        scores[:, targets], scores, torch.ones(1, 2, dtype=torch.bool), is_negative, torch.tensor([6.0])
    )
    hidden_visible = scores.clone()
    hidden_visible[0, [0, 1]] = -torch.inf
    expected = -torch.log_softmax(hidden_visible, 1)[0, targets].mean()
    assert loss.shape == (1,)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_sample_of_negatives_estimates_the_partition_function_without_bias():
    random = np.random.default_rng(1)
    scores = torch.from_numpy(random.normal(size=50))
    targets, yes = scores[None, :1], torch.ones(1, 1, dtype=torch.bool)

    def partition(negatives):
        loss = masked_softmax_loss(
            targets, scores[None, negatives], yes, torch.ones(1, len(negatives), dtype=torch.bool), OTHERS
        )
        return (loss + targets[0, 0]).exp().item()

    exact = partition(np.arange(1, 50))
    sampled = [partition(1 + random.permutation(49)[:7]) for _ in range(3000)]
    assert np.mean(sampled) == pytest.approx(exact, rel=0.02)


OTHERS = torch.tensor([49.0])


def test_a_customer_without_targets_has_no_loss_and_no_gradient():
    targets = torch.ones(2, 3, requires_grad=True)
    negatives = torch.ones(2, 4, requires_grad=True)
    is_target = torch.tensor([[True, False, True], [False, False, False]])
    is_negative = torch.tensor([[True] * 4, [False] * 4])
    loss = masked_softmax_loss(targets, negatives, is_target, is_negative, torch.tensor([9.0, 9.0]))
    loss.sum().backward()
    assert loss[1].item() == 0.0
    assert torch.equal(targets.grad[1], torch.zeros(3))
    assert torch.equal(negatives.grad[1], torch.zeros(4))
    assert loss[0].item() > 0
    assert targets.grad[0, 1].item() == 0.0
    assert targets.grad[0, 0].item() < 0


def test_no_customer_reads_another():
    random = np.random.default_rng(2)
    targets, negatives = (torch.from_numpy(random.normal(size=(3, n))) for n in (2, 5))
    masks = torch.ones(3, 2, dtype=torch.bool), torch.ones(3, 5, dtype=torch.bool)
    before = masked_softmax_loss(targets, negatives, *masks, torch.full((3,), 7.0))
    targets[1] += 5.0
    after = masked_softmax_loss(targets, negatives, *masks, torch.full((3,), 7.0))
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert before[1] != after[1]


def test_an_empty_batch_has_no_losses():
    nobody = masked_softmax_loss(
        torch.zeros(0, 2),
        torch.zeros(0, 5),
        torch.zeros(0, 2).bool(),
        torch.zeros(0, 5).bool(),
        torch.zeros(0),
    )
    assert nobody.shape == (0,)
