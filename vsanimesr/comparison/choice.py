"""Which frames are measured, and which are shown.

A scene is given by its first frame. The first scene starts at frame 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence


def sample_frames(scenes: Sequence[int], frames: int, count: int) -> list[int]:
    """Return the frames to measure: at most `count`, in order, spread over the scenes.

    With no more than `count` scenes, each gives a frame, and long ones give more. Otherwise as many scenes give the
    frame in their middle, at even distances in the list.

    Args:
        scenes: first frames of the scenes, in order.
        frames: length of the clip.
        count: 1 or more.
    """
    lengths = [end - start for start, end in zip(scenes, [*scenes[1:], frames], strict=True)]
    if len(scenes) > count:
        picked = [index * len(scenes) // count for index in range(count)]
        return [scenes[index] + lengths[index] // 2 for index in picked]
    shares = [1] * len(scenes)
    for _ in range(min(count, frames) - len(scenes)):
        room = [length / share if share < length else 0 for length, share in zip(lengths, shares, strict=True)]
        shares[room.index(max(room))] += 1
    return [
        start + (2 * number + 1) * length // (2 * share)
        for start, length, share in zip(scenes, lengths, shares, strict=True)
        for number in range(share)
    ]


def choose_frames(differences: Mapping[int, float], scenes: Sequence[int], count: int) -> list[int]:
    """Return the frames to show: at most `count`, in order.

    The frame with the largest difference comes first, then the largest of the scenes that have given the fewest frames
    so far. Frames of one scene keep a distance where there are enough.

    Args:
        differences: of each frame that was measured.
        scenes: first frames of the scenes, in order.
    """
    scene = {n: bisect_right(scenes, n) for n in differences}
    gap = (max(differences) - min(differences)) // count
    chosen: list[int] = []
    while len(chosen) < min(count, len(differences)):
        given = Counter(scene[n] for n in chosen)
        free = differences.keys() - set(chosen)
        fewest = min(given[scene[n]] for n in free)
        near = [n for n in free if given[scene[n]] == fewest]
        far = [n for n in near if all(abs(n - m) >= gap for m in chosen if scene[m] == scene[n])]
        if far:
            chosen.append(max(far, key=lambda n: (differences[n], -n)))
        else:
            gap //= 2
    return sorted(chosen)
