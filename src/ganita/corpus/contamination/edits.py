"""How few edits lead from one sequence of words to a part of another.

The bit-parallel form of the dynamic programme (Myers 1999, "A fast bit-vector algorithm for approximate string
matching based on dynamic programming", JACM 46(3), in the formulation of Hyyrö 2003): a column of the table is two
integers of one bit per word of the pattern, so a word of the text costs a dozen operations on integers of Python,
whatever the length of the pattern up to some hundred words. An edit puts in, takes out or replaces one word.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


def edit_distances(pattern: Sequence[Hashable], text: Iterable[Hashable], *, whole: bool = False) -> list[int]:
    """Return for each word of `text` the fewest edits between `pattern` and a run of words that ends with that word.

    With `whole` the run is all of the text up to that word, not its cheapest end. `pattern` is not empty.
    """
    places: dict[Hashable, int] = {}
    for place, word in enumerate(pattern):
        places[word] = places.get(word, 0) | 1 << place
    every, last = (1 << len(pattern)) - 1, 1 << (len(pattern) - 1)
    # Bit i of `up`, `down`: the distance of the first i + 1 words of the pattern is 1 above, below that of the first i.
    up, down, distance = every, 0, len(pattern)
    distances = []
    for word in text:
        equal = places.get(word, 0)
        across = (((equal & up) + up) ^ up) | equal
        risen, fallen = (down | ~(across | up)) & every, up & across  # against the column before
        if risen & last:
            distance += 1
        elif fallen & last:
            distance -= 1
        risen = risen << 1 | whole
        equal |= down
        up, down = (fallen << 1 | ~(equal | risen)) & every, risen & equal & every
        distances.append(distance)
    return distances


def passages(pattern: Sequence[Hashable], text: Sequence[Hashable], most: int) -> list[tuple[int, int, int]]:
    """Return where `text` repeats `pattern` with at most `most` edits: (start, stop, edits), none overlapping much.

    Passages are found from left to right. Each is the best of those that end within `2 * most` words of the first
    that is near enough, and the next one ends at least half a pattern later, so that two copies side by side are both
    found and the tail of one copy is not taken for another.
    """
    found, after = [], 0
    distances = edit_distances(pattern, text)
    for end, distance in enumerate(distances):
        if end < after or distance > most:
            continue
        stop = min(range(end, min(end + 2 * most + 1, len(distances))), key=distances.__getitem__)
        edits = distances[stop]
        # The longest run that does it: a replaced first word is part of it.
        backwards = text[max(0, stop + 1 - len(pattern) - most) : stop + 1][::-1]
        lengths = edit_distances(pattern[::-1], backwards, whole=True)
        length = max(place for place, value in enumerate(lengths, 1) if value == edits)
        found.append((stop + 1 - length, stop + 1, edits))
        after = stop + max(1, len(pattern) // 2)
    return found
