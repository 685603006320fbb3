"""What a released Shift-GCN checkpoint holds, and what it answers, written out in float64 loops.

The independent truth for test_release.py: made from the description of the networks, shares no code with them.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = dict[str, NDArray[np.generic]]

EPS = 1e-5  # of every BatchNorm


def unit_sizes(width: int) -> list[tuple[int, int, int]]:
    """(in_channels, out_channels, stride) of the ten units."""
    w = width
    narrow = [(3, w, 1), (w, w, 1), (w, w, 1), (w, w, 1)]
    return [*narrow, (w, 2 * w, 2), *[(2 * w, 2 * w, 1)] * 2, (2 * w, 4 * w, 2), *[(4 * w, 4 * w, 1)] * 2]


def permutation(joints: int, channels: int, sign: int) -> NDArray[np.int64]:
    """As the release stores it: flat index i * C + j takes i * C + j +- j * C, modulo V * C."""
    table = np.empty(joints * channels, np.int64)
    for i in range(joints):
        for j in range(channels):
            table[i * channels + j] = (i * channels + j + sign * j * channels) % (joints * channels)
    return table


def random_checkpoint(classes: int, joints: int, bodies: int, width: int, inter_body: bool, seed: int = 0) -> State:
    """All entries of a released state dict with their shapes and dtypes, filled at random."""
    rng = np.random.default_rng(seed)
    state: State = {}

    def weights(name: str, *shape: int, fan_in: int = 1) -> None:
        state[name] = (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)

    def norm(name: str, size: int) -> None:
        state[f"{name}.weight"] = rng.uniform(0.5, 1.5, size).astype(np.float32)
        state[f"{name}.bias"] = rng.normal(0, 0.2, size).astype(np.float32)
        state[f"{name}.running_mean"] = rng.normal(0, 0.3, size).astype(np.float32)
        state[f"{name}.running_var"] = rng.uniform(0.5, 2, size).astype(np.float32)
        state[f"{name}.num_batches_tracked"] = np.array(7, np.int64)

    def convolution(name: str, before: int, after: int) -> None:
        weights(f"{name}.weight", after, before, 1, 1, fan_in=before)
        weights(f"{name}.bias", after, fan_in=25)

    norm("data_bn", bodies * 3 * joints)
    for number, (before, after, stride) in enumerate(unit_sizes(width), start=1):
        unit = f"l{number}"
        weights(f"{unit}.gcn1.Linear_weight", before, after, fan_in=before)
        weights(f"{unit}.gcn1.Linear_bias", 1, 1, after, fan_in=25)
        weights(f"{unit}.gcn1.Feature_Mask", 1, joints, before)
        state[f"{unit}.gcn1.shift_in"] = permutation(joints, before, +1)
        state[f"{unit}.gcn1.shift_out"] = permutation(joints, after, -1)
        norm(f"{unit}.gcn1.bn", joints * after)
        if before != after:
            convolution(f"{unit}.gcn1.down.0", before, after)
            norm(f"{unit}.gcn1.down.1", after)
        if inter_body:
            weights(f"{unit}.graphsage.linear.weight", after, 2 * after, fan_in=after)
        norm(f"{unit}.tcn1.bn", after)
        norm(f"{unit}.tcn1.bn2", after)
        for shift in ("shift_in", "shift_out"):
            state[f"{unit}.tcn1.{shift}.xpos"] = rng.uniform(-1e-8, 1e-8, after).astype(np.float32)
            state[f"{unit}.tcn1.{shift}.ypos"] = rng.normal(0, 1.2, after).astype(np.float32)
        convolution(f"{unit}.tcn1.temporal_linear", after, after)
        if number > 1 and (before != after or stride == 2):
            convolution(f"{unit}.residual.conv", before, after)
            norm(f"{unit}.residual.bn", after)
    weights("fc.weight", classes, 4 * width, fan_in=4 * width)
    weights("fc.bias", classes, fan_in=25)
    return state


def logits(state: State, clips: Array) -> Array:
    """(N, C, T, V, M) -> (N, K)."""
    s = {name: np.asarray(value, np.float64) for name, value in state.items()}
    n, c, t, v, m = clips.shape
    x = np.empty((n, m, c, t, v))
    for body in range(m):
        for joint in range(v):
            for axis in range(c):
                x[:, body, axis, :, joint] = normalised(
                    s, "data_bn", clips[:, axis, :, joint, body], entry=(body * v + joint) * c + axis
                )
    x = x.reshape(n * m, c, t, v)
    width = s["l1.gcn1.Linear_weight"].shape[1]
    for number, (before, after, stride) in enumerate(unit_sizes(width), start=1):
        unit = f"l{number}"
        y = spatial(s, f"{unit}.gcn1", x, state)
        if f"{unit}.graphsage.linear.weight" in s:
            y = with_other_bodies(s[f"{unit}.graphsage.linear.weight"], y, m)
        y = temporal(s, f"{unit}.tcn1", y, stride)
        if number == 1:
            shortcut = np.zeros_like(y)
        elif before == after and stride == 1:
            shortcut = x
        else:
            shortcut = channelwise(s, f"{unit}.residual.bn", mapped(s, f"{unit}.residual.conv", x[:, :, ::stride]))
        x = np.maximum(y + shortcut, 0)
    pooled = np.array([[x[clip * m + body].mean(axis=(1, 2)) for body in range(m)] for clip in range(n)]).mean(axis=1)
    return pooled @ s["fc.weight"].T + s["fc.bias"]


def normalised(s: dict[str, Array], name: str, x: Array, entry: int) -> Array:
    """One entry of a BatchNorm in evaluation mode."""
    centred = (x - s[f"{name}.running_mean"][entry]) / np.sqrt(s[f"{name}.running_var"][entry] + EPS)
    return centred * s[f"{name}.weight"][entry] + s[f"{name}.bias"][entry]


def channelwise(s: dict[str, Array], name: str, x: Array) -> Array:
    return np.stack([normalised(s, name, x[:, c], entry=c) for c in range(x.shape[1])], axis=1)


def mapped(s: dict[str, Array], name: str, x: Array) -> Array:
    """1x1 convolution."""
    return np.einsum("dc,nctv->ndtv", s[f"{name}.weight"][:, :, 0, 0], x) + s[f"{name}.bias"][:, None, None]


def spatial(s: dict[str, Array], name: str, x: Array, state: State) -> Array:
    """Permute by shift_in, gate, map linearly, permute by shift_out, normalise."""
    n, c, t, v = x.shape
    weight, bias, mask = s[f"{name}.Linear_weight"], s[f"{name}.Linear_bias"][0, 0], s[f"{name}.Feature_Mask"][0]
    d = weight.shape[1]
    gated = np.empty((n, t, v, c))
    for place, taken in enumerate(state[f"{name}.shift_in"].tolist()):
        joint, channel = divmod(place, c)
        from_joint, from_channel = divmod(taken, c)
        gated[:, :, joint, channel] = x[:, from_channel, :, from_joint] * (np.tanh(mask[joint, channel]) + 1)
    linear = gated @ weight + bias
    out = np.empty((n, d, t, v))
    for place, taken in enumerate(state[f"{name}.shift_out"].tolist()):
        joint, channel = divmod(place, d)
        from_joint, from_channel = divmod(taken, d)
        out[:, channel, :, joint] = normalised(s, f"{name}.bn", linear[:, :, from_joint, from_channel], entry=place)
    down = x
    if f"{name}.down.0.weight" in s:
        down = channelwise(s, f"{name}.down.1", mapped(s, f"{name}.down.0", x))
    return np.maximum(out + down, 0)


def with_other_bodies(weight: Array, x: Array, bodies: int) -> Array:
    """Each joint: the mean feature of all joints of the other bodies, then its own; linear; ReLU."""
    n, _, t, v = x.shape
    out = np.empty_like(x)
    for i in range(n):
        clip, body = divmod(i, bodies)
        others = [x[clip * bodies + other] for other in range(bodies) if other != body]
        for frame in range(t):
            mean = np.mean([other[:, frame, joint] for other in others for joint in range(v)], axis=0)
            for joint in range(v):
                out[i, :, frame, joint] = weight @ np.concatenate([mean, x[i, :, frame, joint]])
    return np.maximum(out, 0)


def temporal(s: dict[str, Array], name: str, x: Array, stride: int) -> Array:
    x = shifted(s, f"{name}.shift_in", channelwise(s, f"{name}.bn", x), 1)
    x = np.maximum(mapped(s, f"{name}.temporal_linear", x), 0)
    return channelwise(s, f"{name}.bn2", shifted(s, f"{name}.shift_out", x, stride))


def shifted(s: dict[str, Array], name: str, x: Array, stride: int) -> Array:
    """Bilinear interpolation at (stride * t + y, v + x), zero outside; stride 2 adds half a frame."""
    n, c, t, v = x.shape
    out = np.zeros((n, c, t // stride, v))
    for channel in range(c):
        dx = s[f"{name}.xpos"][channel]
        dy = s[f"{name}.ypos"][channel] + (0.5 if stride == 2 else 0)
        left, above = int(np.floor(dx)), int(np.floor(dy))
        for frame in range(t // stride):
            for row, row_share in ((above, 1 - (dy - above)), (above + 1, dy - above)):
                for column, column_share in ((left, 1 - (dx - left)), (left + 1, dx - left)):
                    if 0 <= stride * frame + row < t:
                        # Joints beyond the first and the last read zero.
                        line = np.pad(x[:, channel, stride * frame + row], ((0, 0), (1, 1)))
                        out[:, channel, frame] += row_share * column_share * line[:, 1 + column : 1 + column + v]
    return out
