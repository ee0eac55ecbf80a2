"""Muon (momentum made orthogonal by Newton-Schulz steps) for the matrices inside the layers, AdamW for everything else: half the steps of AdamW alone
for the same loss. The one in PyTorch computes in bfloat16, which costs more than the whole forward pass on a processor without such units."""
import torch


def orthogonal(matrix, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315 # a quintic that drives every singular value towards 1
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Optimiser:
    """parameters: (name, tensor) pairs. set_rate() before each step; both halves share one learning rate."""

    def __init__(self, parameters, rate, weight_decay=0.02, momentum=0.95):
        parameters = list(parameters)
        self.inner = [p for name, p in parameters if p.ndim == 2 and "layers." in name]
        outer = [p for name, p in parameters if not (p.ndim == 2 and "layers." in name)]
        self.parameters, self.rate, self.weight_decay, self.momentum = self.inner + outer, rate, weight_decay, momentum
        self.past = [torch.zeros_like(p) for p in self.inner]
        self.adam = torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.98), weight_decay=weight_decay)

    def set_rate(self, rate):
        self.rate = rate
        for group in self.adam.param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def move(self):
        for p, past in zip(self.inner, self.past):
            if p.grad is None:
                continue
            past.lerp_(p.grad, 1 - self.momentum)
            ahead = p.grad.lerp(past, self.momentum)
            p.mul_(1 - self.rate * self.weight_decay)
            p.add_(orthogonal(ahead), alpha=-self.rate * 0.2 * max(p.shape) ** 0.5) # the size of a step of AdamW

    def step(self, loss):
        for p in self.parameters:
            p.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.move()
        self.adam.step()
