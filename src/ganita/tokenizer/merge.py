"""Two BPEs, one of text and one of code, made into one.

Ranks. A token's place in its own list, divided by the bytes that list was learned from, says about how rare the pair
was that made it; by that the tokens of both are ranked in one row. A token that both know has its better rank, once.
A merge has the rank of the token that it makes, and every way to put a token together from two of lower rank is a
merge. So two merges that make the same token by different pairs are both there, and it does not matter which of the two
BPEs began a word: its end is found.

Legal. Bytes rank lowest, and both parts of a merge rank below what it makes: they exist before it. That each token can
be made at all is checked by making it from its bytes, and again whenever something is taken out.

Budget. The token that the sample uses least goes first, unless another could not be made without it; its uses go to
the pieces it falls into. Two separately trained BPEs know some neighbours only side by side (the text BPE ends a
word where the code BPE begins it), so the commonest pairs that are left come in, ranked last, and the least used
tokens go out again, twice over. docs/log.md has what each step is worth.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import tokenizers
from tokenizers import models

from ganita.tokenizer.bpe import MAX_TOKEN_BYTES, Merge, vocabulary

Words = Mapping[str, int]  # how often a word occurs in the sample; words and tokens are in the byte alphabet
Ranks = dict[str, int]  # token -> rank; single bytes have none
_REFILLS = 2  # a third one changes the held-out count by less than 0.02 %
_REFILL_SHARE = 16  # of the budget, one in this many tokens is brought in at each
_BATCH = 20_000  # words encoded at once


def merge(
    text: Sequence[Merge], code: Sequence[Merge], words: tuple[Words, Words], size: int, code_share: float = 0.0
) -> list[Merge]:
    """Make the BPEs `text` and `code` into one of `size` tokens beside the bytes; fewer if there are not so many.

    `words` are those of the text and of the code in the sample. With `code_share` above 0, this share of the tokens is
    such that only the code BPE knows (as far as it has them); else their use decides.
    """
    ranks = interleave(text, code, words)
    for_code = {left + right for left, right in code} - {left + right for left, right in text}
    refills = 0
    while True:
        before = len(ranks)
        ranks = _reduce(ranks, words, size, for_code, code_share)
        # A small corpus may need more refills to come to its size, or never do.
        if refills >= _REFILLS and (len(ranks) == size or len(ranks) <= before):
            return merges_of(ranks)
        ranks |= _refill(ranks, words, max(size // _REFILL_SHARE, size - len(ranks)), for_code)
        refills += 1


def interleave(text: Sequence[Merge], code: Sequence[Merge], words: tuple[Words, Words]) -> Ranks:
    """Rank the tokens of two BPEs as their places in their own lists, each divided by the bytes it was learned from.

    The order within each list stays, so parts rank below what is made of them.
    """
    places = []
    for side, (pairs, seen) in enumerate(zip((text, code), words, strict=True)):
        num_bytes = sum(len(word) * count for word, count in seen.items())
        places += [((place + 1) / max(num_bytes, 1), side, left + right) for place, (left, right) in enumerate(pairs)]
    ranks: Ranks = {}
    for _, _, token in sorted(places):
        ranks.setdefault(token, len(ranks))
    return ranks


def merges_of(ranks: Ranks) -> list[Merge]:
    """Return all merges that the ranks allow, in the order in which they apply."""
    found = []
    for token, rank in ranks.items():
        for cut in range(1, len(token)):
            if (key := _key(token[:cut], token[cut:], rank, ranks)) is not None:
                found.append((key, (token[:cut], token[cut:])))
    return [pair for _, pair in sorted(found)]


def _key(left: str, right: str, rank: int, ranks: Ranks) -> tuple[int, int, int] | None:
    """Return where the merge of two tokens into one of `rank` stands in the list; None if it is no merge."""
    low = ranks.get(left, -1 if len(left) == 1 else rank)
    high = ranks.get(right, -1 if len(right) == 1 else rank)
    return (rank, max(low, high), len(left)) if low < rank and high < rank else None


def segment(word: str, ranks: Ranks) -> tuple[list[str], list[str]]:
    """Apply the merges to a word from its bytes on; return its tokens, and every token made on the way."""
    tokens, made = list(word), []
    while len(tokens) > 1:
        best: tuple[int, int, int] | None = None
        for left, right in itertools.pairwise(tokens):
            rank = ranks.get(left + right)
            if rank is None or (best is not None and rank > best[0]):
                continue
            key = _key(left, right, rank, ranks)
            if key is not None and (best is None or key < best):
                best, pair = key, (left, right)
        if best is None:
            break
        tokens = _join(tokens, pair)
        made.append(pair[0] + pair[1])
    return tokens, made


def _join(tokens: list[str], pair: Merge) -> list[str]:
    joined, place = [], 0
    while place < len(tokens):
        if tokens[place] == pair[0] and tokens[place + 1 : place + 2] == [pair[1]]:
            joined.append(pair[0] + pair[1])
            place += 2
        else:
            joined.append(tokens[place])
            place += 1
    return joined


class Lexicon:
    """Ranked tokens, each of which can be made from its bytes; one may be taken out if the others still can."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = dict(ranks)
        self._made: dict[str, list[str]] = {}  # token -> tokens on the way to it
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # token -> tokens that it was once on the way to
        unsettled = set(ranks)
        while unsettled:
            lost = [token for token in unsettled if not self._settle(token)]
            for token in lost:
                del self.ranks[token]
            unsettled = {user for token in lost for user in self._users[token] if user in self.ranks}

    def remove(self, token: str) -> list[str] | None:
        """Take a token out and return the pieces it falls into; None, and nothing is done, if another needs it."""
        rank = self.ranks.pop(token)
        others = [user for user in self._users[token] if user in self.ranks and token in self._made[user]]
        if any(len(segment(user, self.ranks)[0]) > 1 for user in others):
            self.ranks[token] = rank
            return None
        for user in others:
            self._settle(user)
        return segment(token, self.ranks)[0]

    def _settle(self, token: str) -> bool:
        """Note the way to a token; False if there is none."""
        tokens, made = segment(token, self.ranks)
        self._made[token] = made[:-1]
        for part in made[:-1]:
            self._users[part].add(token)
        return len(tokens) == 1


def _reduce(ranks: Ranks, words: tuple[Words, Words], size: int, for_code: Collection[str], code_share: float) -> Ranks:
    """Take out the least used tokens until `size` are left, in the shares asked for."""
    lexicon = Lexicon(ranks)
    uses = Counter[str]()
    for tokens, count in itertools.chain(encode_words(lexicon.ranks, words[0]), encode_words(lexicon.ranks, words[1])):
        for token in tokens:
            uses[token] += count
    surplus = max(0, len(lexicon.ranks) - size)
    if not code_share:
        _take_out(lexicon, uses, lexicon.ranks, surplus)
        return lexicon.ranks
    code = [token for token in lexicon.ranks if token in for_code]
    text = [token for token in lexicon.ranks if token not in for_code]
    from_code = min(surplus, max(0, len(code) - round(code_share * size)))
    # Code first: its tokens are made of text's more often than the other way round, and what is needed cannot go.
    left = _take_out(lexicon, uses, code, from_code)
    left += _take_out(lexicon, uses, text, surplus - from_code)
    _take_out(lexicon, uses, lexicon.ranks, left)
    return lexicon.ranks


def _take_out(lexicon: Lexicon, uses: Counter[str], candidates: Iterable[str], count: int) -> int:
    """Take out the `count` least used candidates that no other token needs; return how many could not be."""
    heap = [(uses[token], token) for token in candidates]
    while count:
        heapq.heapify(heap)
        kept = []  # needed by others now; when those are gone, perhaps no longer
        before = count
        while heap and count:
            known, token = heapq.heappop(heap)
            if known != uses[token]:
                heapq.heappush(heap, (uses[token], token))
            elif (pieces := lexicon.remove(token)) is None:
                kept.append((known, token))
            else:
                count -= 1
                for piece in pieces:
                    uses[piece] += known
        if count == before:
            break
        heap = kept
    return count


def _refill(ranks: Ranks, words: tuple[Words, Words], count: int, for_code: set[str]) -> Ranks:
    """Return up to `count` new tokens: the commonest pairs of neighbours, ranked after all others.

    Those commoner in code than in text are added to `for_code`.
    """
    pairs: tuple[Counter[Merge], Counter[Merge]] = (Counter(), Counter())
    for side, found in zip(words, pairs, strict=True):
        for tokens, times in encode_words(ranks, side):
            for pair in itertools.pairwise(tokens):
                found[pair] += times
    both = pairs[0] + pairs[1]
    new: Ranks = {}
    rank = max(ranks.values(), default=-1)
    for pair in sorted(both, key=lambda pair: (-both[pair], pair)):
        if len(new) == count:
            break
        token = pair[0] + pair[1]
        if token not in ranks and token not in new and len(token) <= MAX_TOKEN_BYTES:
            new[token] = rank + 1 + len(new)
            if pairs[1][pair] > pairs[0][pair]:
                for_code.add(token)
    return new


def encode_words(ranks: Ranks, words: Words) -> Iterator[tuple[list[str], int]]:
    """Yield the tokens of each word and how often it occurs."""
    merges = merges_of(ranks)
    ids = vocabulary(merges)
    names = list(ids)
    model = tokenizers.Tokenizer(models.BPE(ids, merges))
    batch: list[str] = list(words)
    for start in range(0, len(batch), _BATCH):
        part = batch[start : start + _BATCH]
        for word, encoded in zip(part, model.encode_batch_fast(part), strict=True):
            yield [names[token_id] for token_id in encoded.ids], words[word]
