"""The same GPT in PyTorch, which also judges microgpt.py. It needs PyTorch 2.4 or newer.

    python -m tests.twin
    torchrun --nproc-per-node 2 -m tests.twin

First it compares losses, gradients and Adam with those of microgpt.py, and stops if they differ.
Then it trains on batches of names, on GPUs if there is one for each process. Two processes, each
with half of every batch, end at the same loss as one.
"""
import argparse
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

import microgpt
from microgpt import matrices
from tests.helpers import difference, prepared

RANK = int(os.environ.get("RANK", "0"))  # which process this is, says torchrun
PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))  # of how many


def to_torch(model):
    """The same Model, with tensors in place of lists. They are as precise as Python's numbers."""
    def tensor(w):
        return torch.tensor(w, dtype=torch.float64, requires_grad=True)

    layers = [microgpt.Layer(*[tensor(w) for w in vars(layer).values()]) for layer in model.layers]
    return microgpt.Model(model.n_head, tensor(model.wte), tensor(model.wpe), layers)


def forward(model, tokens):
    """All logits of B names at once: ids [B, T] -> [B, T, V]."""
    def split_heads(x):
        return x.unflatten(-1, (model.n_head, -1)).transpose(1, 2)  # [B, T, C] -> [B, H, T, D]

    x = F.embedding(tokens, model.wte) + model.wpe[: tokens.shape[1]]
    for layer in model.layers:
        normed = F.rms_norm(x, x.shape[-1:], eps=1e-5)
        q = split_heads(F.linear(normed, layer.wq))
        k = split_heads(F.linear(normed, layer.wk))
        v = split_heads(F.linear(normed, layer.wv))
        results = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.linear(results.transpose(1, 2).flatten(2), layer.wo)
        normed = F.rms_norm(x, x.shape[-1:], eps=1e-5)
        hidden = F.relu(F.linear(normed, layer.fc1)).square()
        x = x + hidden @ layer.fc2  # for F.linear, fc2 would have to be [C, 4C]
    return F.linear(x, model.wte)


def batch_loss(model, batch):
    """The mean, over the names of a batch (lists of ids), of the loss that each would have alone.

    Short names are padded at the end, which the causal mask hides from all that comes before.
    """
    inputs = [torch.tensor(ids[:-1]) for ids in batch]
    targets = [torch.tensor(ids[1:]) for ids in batch]
    inputs = pad_sequence(inputs, batch_first=True)  # [B, T]
    targets = pad_sequence(targets, batch_first=True, padding_value=-1)
    logits = forward(model, inputs).transpose(1, 2)  # cross_entropy wants [B, V, T]
    losses = F.cross_entropy(logits, targets, ignore_index=-1, reduction="none")  # 0 where padded
    return (losses.sum(dim=1) / (targets != -1).sum(dim=1)).mean()


def train(model, batches, settings):
    """Take a step for each batch, and yield its loss, taken before the step."""
    weights = matrices(model)
    adam = torch.optim.Adam(weights, lr=settings.lr, betas=(settings.beta1, settings.beta2))
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / settings.steps)
    for batch in batches:
        adam.zero_grad()
        loss = batch_loss(model, batch)
        loss.backward()
        loss = loss.detach()
        if dist.is_initialized():  # take means over all processes, which wait here for one another
            for tensor in [loss] + [w.grad for w in weights]:
                dist.all_reduce(tensor)  # the sum
                tensor /= PROCESSES
        adam.step()
        schedule.step()
        yield loss.item()


def differences(model, names):
    """How far PyTorch and microgpt.py are apart in loss, gradients, and parameters after 200 steps.

    Each is relative to the largest number of its kind. The model is trained.
    """
    losses, gradients = [], []
    for ids in names:
        loss, dmodel = microgpt.loss_and_gradient(model, ids)
        twin = to_torch(model)
        batch_loss(twin, [ids]).backward()
        losses.append(loss)
        gradients.append(difference([w.grad.tolist() for w in matrices(twin)], dmodel))
    twin, settings = to_torch(model), microgpt.Settings(steps=200)
    loss = difference([batch_loss(twin, names).item()], [sum(losses) / len(losses)])

    adam = microgpt.Adam(model, settings)
    batches = [[names[step % len(names)]] for step in range(settings.steps)]  # one name a step
    for step, _ in enumerate(train(twin, batches, settings)):
        _, dmodel = microgpt.loss_and_gradient(model, batches[step][0])
        adam.update(model, dmodel, step)
    return loss, max(gradients), difference([w.tolist() for w in matrices(twin)], model)


def check(names):
    """Print the differences for two models. End the program if one is too large."""
    *_, untrained = prepared(microgpt.NAMES)
    *_, rng, large = prepared(microgpt.NAMES, n_layer=2)
    for w in matrices(large):  # as large as after training; untrained, wo and fc2 would be 0
        w[:] = [[rng.normal(sigma=0.35) for _ in row] for row in w]
    print("Largest differences from microgpt.py, relative to the largest number:")
    for title, model in ("two layers, large weights", large), ("one layer, untrained", untrained):
        loss, gradients, parameters = differences(model, names)
        print(f"{title:27} loss {loss:.1e}  gradients {gradients:.1e}  "
              f"parameters after 200 steps {parameters:.1e}", flush=True)
        if max(loss, gradients, parameters) > 1e-10:
            raise SystemExit("PyTorch and microgpt.py differ by more than 1e-10")


def main():
    """Check, then train and print lines as microgpt.py does."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.twin", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Compare microgpt.py with PyTorch, then train in PyTorch.")
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--batch", type=int, default=8, help="names a step, all processes together")
    flags = parser.parse_args()
    if flags.steps < 1 or flags.batch < 1 or flags.batch % PROCESSES:
        parser.error(f"--steps must be 1 or more, --batch a positive multiple of {PROCESSES}")
    if torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", "1")):
        torch.set_default_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    torch.set_num_threads(1)  # with matrices this small, more would only wait for one another

    settings, vocabulary, rng, model = prepared(microgpt.NAMES, steps=flags.steps)
    names = [microgpt.training_tokens(name, vocabulary, settings.block_size)
             for name in microgpt.NAMES]
    if RANK == 0:
        check(names)
    if PROCESSES > 1:
        dist.init_process_group()  # the others wait here for the first

    twin, batches, losses = to_torch(model), [], []
    for first in range(0, flags.steps * flags.batch, flags.batch):
        batch = [names[i % len(names)] for i in range(first, first + flags.batch)]
        batches.append(batch[RANK::PROCESSES])  # the share of this process
    for step, loss in enumerate(train(twin, batches, settings)):
        losses.append(loss)
        if RANK == 0 and (step % 500 == 0 or step == flags.steps - 1):
            mean, losses = sum(losses) / len(losses), []
            for w, tensor in zip(matrices(model), matrices(twin)):
                w[:] = tensor.tolist()
            samples = [microgpt.generate(model, vocabulary, rng) for _ in range(5)]
            print(f"step {step:5d}  loss={mean:.4f}  | {'  '.join(samples)}", flush=True)
    if PROCESSES > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
