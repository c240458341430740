import numpy as np
import pytest
import torch

from recsys.towers.losses import HIDDEN, masked_softmax_loss

YES = torch.ones(1, 2, dtype=torch.bool)


def test_with_all_items_it_is_the_cross_entropy_of_the_full_softmax():
    random = np.random.default_rng(0)
    scores = torch.from_numpy(random.normal(size=(1, 10)))
    visible, targets = [0, 1], [2, 3]
    negatives = scores.clone()
    negatives[0, visible + targets] += HIDDEN
    loss = masked_softmax_loss(scores[:, targets], negatives, YES)
    candidates = scores.clone()
    candidates[0, visible] = -torch.inf
    expected = -torch.log_softmax(candidates, 1)[0, targets].mean()
    assert loss.shape == (1,)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_customer_without_targets_has_no_loss_and_no_gradient():
    targets = torch.ones(2, 3, requires_grad=True)
    negatives = torch.tensor([[1.0] * 4, [HIDDEN] * 4], requires_grad=True)
    is_target = torch.tensor([[True, False, True], [False, False, False]])
    loss = masked_softmax_loss(targets, negatives, is_target)
    loss.sum().backward()
    assert loss[1].item() == 0.0
    assert torch.equal(targets.grad[1], torch.zeros(3))
    assert torch.equal(negatives.grad[1], torch.zeros(4))
    assert loss[0].item() > 0
    assert targets.grad[0, 1].item() == 0.0
    assert targets.grad[0, 0].item() < 0


def test_a_hidden_negative_has_no_part():
    targets = torch.tensor([[0.3, -0.2]])
    negatives = torch.tensor([[0.1, 0.5 + HIDDEN]], requires_grad=True)
    loss = masked_softmax_loss(targets, negatives, YES)
    loss.sum().backward()
    assert negatives.grad[0, 1].item() == 0.0
    assert torch.equal(loss, masked_softmax_loss(targets, negatives[:, :1], YES))


def test_a_customer_who_has_everything_compares_targets_alone():
    loss = masked_softmax_loss(torch.zeros(1, 2), torch.full((1, 5), HIDDEN), YES)
    assert loss.item() == pytest.approx(np.log(2))


def test_no_customer_reads_another():
    random = np.random.default_rng(2)
    targets, negatives = (torch.from_numpy(random.normal(size=(3, n))) for n in (2, 5))
    yes = torch.ones(3, 2, dtype=torch.bool)
    before = masked_softmax_loss(targets, negatives, yes)
    targets[1] += 5.0
    targets[1, 0] += 1.0
    after = masked_softmax_loss(targets, negatives, yes)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert before[1] != after[1]


def test_an_empty_batch_has_no_losses():
    assert masked_softmax_loss(torch.zeros(0, 2), torch.zeros(0, 5), torch.zeros(0, 2).bool()).shape == (0,)
