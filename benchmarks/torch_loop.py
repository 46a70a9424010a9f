"""The same training in PyTorch, written for speed: `python -m benchmarks.torch_loop vae`.

Same architectures, batch and Adam. The images are one tensor in memory, an epoch's order is a
`randperm`, there is no DataLoader; gradients are set to None; denormal numbers are flushed, as
TensorFlow does. bfloat16 is autocast. Variant, words joined by `+`: `eager` or `compile` (networks
and losses through `torch.compile`); `channels_last` for convolutions; `default_adam` instead of the
fused one, which is faster but not the default.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks import workloads
from benchmarks.contestant import Task, main_of_loop

HEIGHT, WIDTH, CHANNELS = workloads.IMAGE_SHAPE
LEAK = 0.2
EPSILON = 1e-7
"""Keras's."""

Step = Callable[[torch.Tensor], torch.Tensor]


def make(task: Task) -> Callable[[int], object]:
    """Returns the function that makes steps."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    words = task.variant.split("+")
    layout = torch.channels_last if "channels_last" in words else torch.contiguous_format
    images = torch.from_numpy(task.read_images()).permute(0, 3, 1, 2).contiguous()
    settings = SimpleNamespace(
        **workloads.parameters(task.model, batch_size=task.batch_size).model(task.model)
    )
    precision = torch.autocast("cpu", torch.bfloat16, enabled=task.precision == "mixed_bfloat16")
    network = NETWORKS[settings.kind](settings).to(memory_format=layout)
    prepare = torch.compile if "compile" in words else lambda function: function
    step = network.make_step(Way(prepare, precision, None if "default_adam" in words else True))
    order, position = torch.randperm(len(images)), 0

    def make_steps(count: int) -> None:
        nonlocal order, position
        for _ in range(count):
            if position + task.batch_size > len(images):
                order, position = torch.randperm(len(images)), 0
            batch = images[order[position : position + task.batch_size]]
            position += task.batch_size
            loss = step(batch.to(torch.float32, memory_format=layout).div_(255))
        loss.item()

    return make_steps


@dataclass(frozen=True)
class Way:
    """How PyTorch trains: `torch.compile` or nothing, its precision, fused Adam or the default."""

    prepare: Callable[[Any], Any]
    precision: torch.autocast
    fused: bool | None

    def adam(self, network: nn.Module, settings: Any, learning_rate: float) -> torch.optim.Adam:
        """Returns the optimizer of a network."""
        betas, variables = (settings.beta_1, settings.beta_2), network.parameters()
        return torch.optim.Adam(variables, learning_rate, betas, EPSILON, fused=self.fused)


def _descend(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


# Networks, those of genlab.networks.trunks


def dense(sizes: Sequence[int]) -> list[nn.Module]:
    """Returns fully connected layers with ReLU."""
    return [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]


def convolutions(filters: Sequence[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Returns convolutions that halve the image once per entry of `filters`."""
    sizes = pairwise([CHANNELS, *filters])
    return [layer for pair in sizes for layer in (nn.Conv2d(*pair, 4, 2, 1), activation())]


def flat_size(filters: Sequence[int]) -> int:
    """Returns the number of outputs of the convolutions per image."""
    return (HEIGHT >> len(filters)) * (WIDTH >> len(filters)) * filters[-1]


def build_encoder(settings: Any) -> nn.Sequential:
    """Returns the trunk from images to (n, widths[-1])."""
    if settings.network == "dense":
        return nn.Sequential(nn.Flatten(), *dense([HEIGHT * WIDTH * CHANNELS, *settings.widths]))
    sizes = [flat_size(settings.filters), settings.widths[-1]]
    return nn.Sequential(*convolutions(settings.filters, nn.ReLU), nn.Flatten(), *dense(sizes))


def build_decoder(settings: Any) -> nn.Sequential:
    """Returns the network from latents to logits of images."""
    if settings.network != "dense":
        return convolutional_decoder(settings.latent_dim, settings.filters, batch_norm=False)
    widths = [settings.latent_dim, *reversed(settings.widths)]
    last = nn.Linear(widths[-1], HEIGHT * WIDTH * CHANNELS)
    return nn.Sequential(*dense(widths), last, nn.Unflatten(1, (CHANNELS, HEIGHT, WIDTH)))


def convolutional_decoder(
    latent_dim: int, filters: Sequence[int], batch_norm: bool
) -> nn.Sequential:
    """Returns a dense layer and transposed convolutions from latents to logits of images."""
    shape = (filters[-1], HEIGHT >> len(filters), WIDTH >> len(filters))
    layers = [
        nn.Linear(latent_dim, flat_size(filters), bias=not batch_norm),
        nn.Unflatten(1, shape),
    ]
    for count, following in pairwise([*reversed(filters), CHANNELS]):
        if batch_norm:
            layers.append(nn.BatchNorm2d(count, momentum=0.1, eps=1e-5))
        is_last = len(layers) > 2 and following == CHANNELS
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(count, following, 4, 2, 1, bias=is_last or not batch_norm),
        ]
    return nn.Sequential(*layers)


# Trainings


class Autoencoder(nn.Module):
    """Encoder and decoder; the squared error."""

    def __init__(self, settings: Any):
        super().__init__()
        self.settings = settings
        self.encoder, self.decoder = build_encoder(settings), build_decoder(settings)
        self.latents = nn.Linear(settings.widths[-1], settings.latent_dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        logits = self.decoder(self.latents(self.encoder(images))).float()
        return functional.mse_loss(torch.sigmoid(logits), images, reduction="sum") / len(images)

    def make_step(self, way: Way) -> Step:
        """Returns one training step."""
        optimizer = way.adam(self, self.settings, self.settings.learning_rate)
        compute_loss = way.prepare(self)

        def step(images: torch.Tensor) -> torch.Tensor:
            with way.precision:
                loss = compute_loss(images)
            _descend(loss, optimizer)
            return loss

        return step


class VAE(Autoencoder):
    """Two heads; the negative ELBO."""

    def __init__(self, settings: Any):
        super().__init__(settings)
        self.latents = nn.Linear(settings.widths[-1], 2 * settings.latent_dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        mean, log_variance = self.latents(self.encoder(images)).float().chunk(2, dim=1)
        logits = self.decoder(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)).float()
        reconstruction = functional.binary_cross_entropy_with_logits(
            logits, images, reduction="sum"
        )
        kl = 0.5 * torch.sum(mean.square() + log_variance.exp() - 1 - log_variance)
        return (reconstruction + kl) / len(images)


class GAN(nn.Module):
    """Generator, its moving average and discriminator; the non-saturating loss."""

    def __init__(self, settings: Any):
        super().__init__()
        self.settings = settings
        filters = settings.discriminator_filters
        self.generator, self.average = (
            convolutional_decoder(settings.latent_dim, settings.generator_filters, batch_norm=True)
            for _ in range(2)
        )
        self.average.load_state_dict(self.generator.state_dict())
        self.average.requires_grad_(False)
        self.discriminator = nn.Sequential(
            *convolutions(filters, lambda: nn.LeakyReLU(LEAK)),
            nn.Flatten(),
            nn.Linear(flat_size(filters), 1),
        )

    def discriminate(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the logits of images in [0, 1]."""
        return self.discriminator(images * 2 - 1).float()

    def generate(self, latents: torch.Tensor) -> torch.Tensor:
        """Returns images in [0, 1]."""
        return torch.sigmoid(self.generator(latents).float())

    def discriminator_loss(self, images: torch.Tensor, fakes: torch.Tensor) -> torch.Tensor:
        """Returns the discriminator's loss."""
        real, fake = self.discriminate(images), self.discriminate(fakes)
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

    def generator_loss(self, fakes: torch.Tensor) -> torch.Tensor:
        """Returns the generator's loss."""
        return functional.softplus(-self.discriminate(fakes)).mean()

    def make_step(self, way: Way) -> Step:
        """Returns one step of the discriminator, of the generator and of its average."""
        settings = self.settings
        generator_adam = way.adam(self.generator, settings, settings.generator_learning_rate)
        rate = settings.discriminator_learning_rate
        discriminator_adam = way.adam(self.discriminator, settings, rate)
        averages, presents = (
            [value for value in network.state_dict().values() if value.is_floating_point()]
            for network in (self.average, self.generator)
        )
        generate, generator_loss = way.prepare(self.generate), way.prepare(self.generator_loss)
        discriminator_loss = way.prepare(self.discriminator_loss)

        def step(images: torch.Tensor) -> torch.Tensor:
            with way.precision:
                fakes = generate(torch.randn(len(images), settings.latent_dim))
                loss = discriminator_loss(images, fakes.detach())
            _descend(loss, discriminator_adam)
            self.discriminator.requires_grad_(False)
            with way.precision:
                loss = generator_loss(fakes)
            _descend(loss, generator_adam)
            self.discriminator.requires_grad_(True)
            torch._foreach_lerp_(averages, presents, 1 - settings.average_decay)
            return loss

        return step


NETWORKS: dict[str, Any] = {"autoencoder": Autoencoder, "vae": VAE, "gan": GAN}

if __name__ == "__main__":
    main_of_loop(make)
