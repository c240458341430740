import numpy as np
import pytest
import torch

from recsys.towers.losses import HIDDEN, own_items_loss

NONE = (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def reference(scores, own_bias, bias, is_own, hidden):
    """The same loss in plain torch, differentiated by autograd."""
    length = is_own.shape[1]
    own = (scores[:, :length] + own_bias).masked_fill(~is_own, HIDDEN)
    negatives = scores[:, length:] + bias
    shown = torch.ones_like(negatives, dtype=torch.bool)
    shown[hidden] = False
    logits = torch.cat([own, negatives.masked_fill(~shown, HIDDEN)], 1)
    items = is_own.sum(1)
    losses = -(torch.log_softmax(logits, 1)[:, :length] * is_own).sum(1) / items.clamp(min=1)
    return torch.where(items > 0, losses, 0.0)


def example(customers=4, length=3, negatives=7, seed=0):
    random = np.random.default_rng(seed)
    is_own = torch.from_numpy(random.random((customers, length)) < 0.6)
    is_own[0], is_own[1] = True, False
    rows, columns = (random.random((customers, negatives)) < 0.3).nonzero()
    parts = [random.normal(size=size) for size in ((customers, length), (negatives,))]
    biases = [torch.from_numpy(part) for part in parts]
    scores = torch.from_numpy(random.normal(size=(customers, length + negatives))).requires_grad_()
    return scores, *biases, is_own, (torch.from_numpy(rows), torch.from_numpy(columns))


def test_losses_and_gradients_are_those_of_the_softmax():
    inputs, factors = example(), torch.tensor([1.0, 2.0, 0.5, 3.0])
    results = []
    for loss in (own_items_loss, reference):
        losses = loss(*inputs)
        (gradient,) = torch.autograd.grad((losses * factors).sum(), inputs[0])
        results.append((losses.detach(), gradient))
    torch.testing.assert_close(*results)
    assert results[0][0].shape == (4,)


def test_a_bias_can_be_the_customers_own():
    scores, own_bias, bias, is_own, hidden = example()
    same = own_items_loss(scores, own_bias, bias.expand(4, -1), is_own, hidden)
    assert torch.equal(same, own_items_loss(scores, own_bias, bias, is_own, hidden))


def test_a_customer_without_items_has_no_loss_and_no_gradient():
    inputs = example()
    losses = own_items_loss(*inputs)
    losses.sum().backward()
    assert losses[1].item() == 0.0
    assert torch.equal(inputs[0].grad[1], torch.zeros(10))
    assert losses[0].item() > 0


def test_a_hidden_negative_has_no_part():
    scores = torch.tensor([[0.3, -0.2, 0.1, 0.5]], requires_grad=True)
    yes = torch.ones(1, 2, dtype=torch.bool)
    loss = own_items_loss(
        scores, torch.zeros(1, 2), torch.zeros(2), yes, (torch.tensor([0]), torch.tensor([1]))
    )
    loss.sum().backward()
    assert scores.grad[0, 3].item() == 0.0
    without = own_items_loss(scores[:, :3], torch.zeros(1, 2), torch.zeros(1), yes, NONE)
    assert loss.item() == pytest.approx(without.item())


def test_a_customer_who_has_everything_compares_own_items_alone():
    everything = torch.zeros(5, dtype=torch.int64), torch.arange(5)
    yes = torch.ones(1, 2, dtype=torch.bool)
    loss = own_items_loss(torch.zeros(1, 7), torch.zeros(1, 2), torch.zeros(5), yes, everything)
    assert loss.item() == pytest.approx(np.log(2))


def test_no_customer_reads_another():
    scores, *rest = example()
    changed = scores.detach().clone()
    changed[2] += torch.arange(10)
    before, after = own_items_loss(scores, *rest).detach(), own_items_loss(changed, *rest)
    assert torch.equal(before[[0, 1, 3]], after[[0, 1, 3]])
    assert before[2] != after[2]


def test_an_empty_batch_has_no_losses():
    scores = torch.zeros(0, 7)
    assert own_items_loss(
        scores, torch.zeros(0, 2), torch.zeros(5), torch.zeros(0, 2).bool(), NONE
    ).shape == (0,)
