from __future__ import annotations

import pytest

from ganita.corpus.document import Problem
from ganita.corpus.variants.linking import RefusedError, complete_marks, link
from tests.corpus.variants.problems import BEADS, SALE, problem


def test_operands_are_leaves_and_earlier_results() -> None:
    graph = link(BEADS)
    assert graph.leaves == (6, 24, 300)
    assert [mark.tree for mark in graph.marks] == [("*", ("v", 0), ("v", 1)), ("-", ("v", 2), ("v", 3))]


def test_a_percentage_is_read_as_a_share() -> None:
    graph = link(SALE)
    assert graph.leaves == (80, 25, 8)
    assert graph.marks[0].tree == ("*", ("v", 0), ("/", ("v", 1), ("c", 100)))


def test_a_result_that_equals_a_leaf_is_told_apart_by_what_is_left_over() -> None:
    graph = link(
        problem(
            "Ana packs 3 boxes of 9 pens, and 27 rulers. Pens and rulers go to 6 desks. How many things per desk?",
            "She has 3*9 = <<3*9=27>>27 pens.",
            "She has 27+27 = <<27+27=54>>54 things.",
            "Each desk gets 54/6 = <<54/6=9>>9 things.",
        )
    )
    assert graph.marks[1].tree in (("+", ("v", 2), ("v", 4)), ("+", ("v", 4), ("v", 2)))


def test_missing_marks_are_put_in() -> None:
    assert complete_marks("He has 23 pens - 10 pens = 13 pens.") == "He has 23 pens - 10 pens = <<23-10=13>>13 pens."
    assert complete_marks("That is 2 x 4 = 9 in all.") == "That is 2 x 4 = 9 in all."
    assert complete_marks("So 2*4 = <<2*4=8>>8 it is.") == "So 2*4 = <<2*4=8>>8 it is."


STATED = (
    "There are 20 guests. 4 guests eat 6 rolls each, the next 12 eat 3 each, the last 4 eat 7 each. How many rolls?"
)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (problem("Tom has 5 pens and 8 cups. How many?", "He has 13 in all."), "no marks"),
        (problem("Tom has 5 pens. He buys 17 more.", "In all 5+17 = <<5+17=23>>23."), "wrong or rounded"),
        (problem("Tom has 5 pens. He buys some.", "In all 5+17 = <<5+17=22>>22."), "unknown origin"),
        (problem("The two brothers have how many eyes?", "They have 2*2 = <<2*2=4>>4 eyes."), "no number"),
        (
            problem(
                STATED,
                "First 4*6 = <<4*6=24>>24.",
                "Then 12*3 = <<12*3=36>>36.",
                "Then 4*7 = <<4*7=28>>28.",
                "In all 24+36+28 = <<24+36+28=88>>88.",
            ),
            "states a",
        ),
        (
            problem(
                "Ida saves $30 and then $20, so she has $50. How much is a third of it?",
                "It is 30+20 = <<30+20=50>>50.",
            ),
            "states a result",
        ),
        (  # whether 12 a day or the 12 of the first day is taken off
            problem(
                "Ida eats 6 nuts. Then she eats 6 more. Of 120 nuts she eats 12 each day from then on. How many days?",
                "First she eats 6+6 = <<6+6=12>>12 nuts.",
                "Then 120-12 = <<120-12=108>>108 are left.",
                "From then on that takes 108 nuts / 12 nuts a day = <<108/12=9>>9 days.",
            ),
            "ambiguous",
        ),
        (  # whether $3 is what a bun costs, or what the rolls of the step before came to
            problem(
                "Monday, Wednesday and Friday Ida has tea for $2.00.  Tuesday and Thursday a roll for $1.50.  "
                "Saturday and Sunday a bun for $3.00.  How much money does she spend in 6 weeks?",
                "The teas are 3 days * $2/day = $<<3*2=6>>6",
                "The rolls are 2 days * $1.50/day = $<<2*1.5=3>>3",
                "The buns are 2 days * $3/day = $<<2*3=6>>6",
                "In a week that is $6 + $3 + $6 = $<<6+3+6=15>>15",
                "In 6 weeks that is 6 weeks * $15/week = $<<6*15=90>>90",
            ),
            "ambiguous",
        ),
        (  # with other sides the top would have another area
            problem(
                "The sides of a box measure 9 by 6 inches and 7 by 6 inches, the top 63 square inches. How much is it?",
                "The sides have 9*6 = <<9*6=54>>54 and 7*6 = <<7*6=42>>42 square inches.",
                "In all 54+42+63 = <<54+42+63=159>>159.",
            ),
            "states a product",
        ),
        (  # the one that is left follows from the others
            problem(
                "A plum cake and a nut cake have 14 slices each. All eat the same. There is one slice left of the plum"
                " cake and 5 slices of the nut cake. How many slices of the nut cake did each of the other three eat?",
                "They ate 14-5 = <<14-5=9>>9 slices.",
                "Each ate 9/3 = <<9/3=3>>3 slices.",
            ),
            "does not read",
        ),
        (
            problem(
                "Of 9 judges, 4 give seven points and 5 give sixteen. What is the average?",
                "The first give 4*7 = <<4*7=28>>28 points.",
                "The others give 5*16 = <<5*16=80>>80 points.",
                "Together that is 28+80 = <<28+80=108>>108.",
                "The average is 108/9 = <<108/9=12>>12.",
            ),
            "states a sum",
        ),
        (Problem("p", "s", "5 pens and 8 cups?", ("5+8 = <<5+8=13>>13",), "14"), "answer is not"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<__import__('os')=13>>13",), "13"), "no arithmetic"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<9**9**9=13>>13",), "13"), "no arithmetic"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<5/0=13>>13",), "13"), "no arithmetic"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(given: Problem, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        link(given)


def test_the_hundred_of_a_percentage_is_no_result() -> None:
    graph = link(
        problem(
            "Ida has 20 figs and buys 4 bags of 20 figs. She eats 45% of all. How many figs does she eat?",
            "The bags hold 4*20 = <<4*20=80>>80 figs.",
            "She has 80+20 = <<80+20=100>>100 figs.",
            "She eats 45/100*100 = <<45/100*100=45>>45 figs.",
        )
    )
    assert graph.marks[2].tree[1][2] == ("c", 100)
    assert graph.marks[2].tree[2] == ("v", len(graph.leaves) + 1)


def test_equal_operands_are_told_apart_by_what_is_written_after_them() -> None:
    graph = link(
        problem(
            "Ida walks dogs on 2 days a week, 4 hours a day, for 8 weeks. How many hours is that?",
            "It is 2*4 hours = <<2*4=8>>8 hours a week.",
            "In all 8 hours/week * 8 weeks = <<8*8=64>>64 hours.",
        )
    )
    assert graph.marks[1].operands == (("v", len(graph.leaves)), ("v", graph.leaves.index(8)))


@pytest.mark.parametrize(
    ("given", "leaves"),
    [
        (  # 4 plants: one, another and the two remaining ones; 4 more tomatoes is another 4
            problem(
                "Ida has 4 roses. One has 7 buds, another has 4 more buds than it, the two others 9. How many buds?",
                "The second has 7+4 = <<7+4=11>>11 buds.",
                "The others have 2*9 = <<2*9=18>>18.",
                "In all 7+11+18 = <<7+11+18=36>>36.",
            ),
            (7, 9),
        ),
        (  # five days and the other two are a week
            problem(
                "Ida reads 6 pages a day on 5 days of the week and 9 pages on each of the other 2. How many a week?",
                "On 5 days she reads 6*5 = <<6*5=30>>30.",
                "On the others 9*2 = <<9*2=18>>18.",
                "In all 30+18 = <<30+18=48>>48.",
            ),
            (6, 9),
        ),
        (  # without "other", 5 and 2 are numbers like any others
            problem(
                "Ida reads 6 pages a day for 5 days, then 9 pages a day for 2 days. How many pages is that?",
                "First she reads 6*5 = <<6*5=30>>30.",
                "Then 9*2 = <<9*2=18>>18.",
                "In all 30+18 = <<30+18=48>>48.",
            ),
            (6, 5, 9, 2),
        ),
        (  # 2.2 pounds are a kilogram, whatever Ida weighs
            problem(
                "Ida weighs 50 kilograms. If 1 kilogram is equal to 2.2 pounds, what are she and a 9 pound cat?",
                "She weighs 50*2.2 = <<50*2.2=110>>110 pounds.",
                "With the cat it is 110+9 = <<110+9=119>>119.",
            ),
            (50, 9),
        ),
        (  # on a map an inch may stand for any number of miles
            problem(
                "On a map, one inch equals 20 miles. How many miles are 7 inches?",
                "They are 7*20 = <<7*20=140>>140 miles.",
            ),
            (20, 7),
        ),
        (  # from Tuesday to Thursday are three days
            problem(
                "Ida drinks 9 cups on Monday and 8 cups a day for the next 3 days. How many is it up to Thursday?",
                "From Tuesday to Thursday she drinks 8*3 = <<8*3=24>>24 cups.",
                "In all 9+24 = <<9+24=33>>33 cups.",
            ),
            (9, 8),
        ),
        (  # one for each of the three
            problem(
                "Ida, Ben and Hugo want a kite each. A kite costs $16, a tail $8. What do three kites and a tail cost?",
                "The kites cost 3*16 = <<3*16=48>>48.",
                "In all 48+8 = <<48+8=56>>56.",
            ),
            (16, 8),
        ),
        (  # what joins three machines is the fourth
            problem(
                "There are 3 pumps that run 8 hours. A fourth pump runs 9 hours. How many hours is that?",
                "The first three run 3*8 = <<3*8=24>>24 hours.",
                "In all 24+9 = <<24+9=33>>33 hours.",
            ),
            (8, 9),
        ),
        (  # and so is what joins three scores
            problem(
                "Ida throws 5 times. So far she got 12, 17, 11 and 14 points. What must come for an average of 13?",
                "So far she has 12+17+11+14 = <<12+17+11+14=54>>54 points.",
                "She needs 5*13 = <<5*13=65>>65.",
                "So it must be 65-54 = <<65-54=11>>11.",
            ),
            (12, 17, 11, 14, 13),
        ),
        (  # a nickel is five pennies
            problem(
                "If a nickel has the same value as 5 pennies, how many pennies are 8 nickels and 9 pennies?",
                "The nickels are 8*5 = <<8*5=40>>40 pennies.",
                "In all 40+9 = <<40+9=49>>49.",
            ),
            (8, 9),
        ),
        (  # he and his sister are two
            problem(
                "Ben takes his sister to a fair. It costs $13 each, 2 cakes for all $9. What is it with a $7 hat each?",
                "The fair is 2*13 = <<2*13=26>>26.",
                "The hats are 2*7 = <<2*7=14>>14.",
                "In all 26+14+9 = <<26+14+9=49>>49.",
            ),
            (13, 9, 7),
        ),
        (  # what concrete weighs is not up to the builder
            problem(
                "A slab has 40 cubic feet. Concrete has a density of 150 pounds per cubic foot. What do 3 slabs weigh?",
                "A slab weighs 40*150 = <<40*150=6000>>6000 pounds.",
                "In all 6000*3 = <<6000*3=18000>>18000.",
            ),
            (40, 3),
        ),
        (  # the female is one of two
            problem(
                "Ida buys 2 dogs for $90 each. The female has 5 puppies, sold for $60 each. What is her profit?",
                "The dogs cost 2*90 = $<<2*90=180>>180.",
                "The puppies bring 5*60 = $<<5*60=300>>300.",
                "That leaves 300-180 = $<<300-180=120>>120.",
            ),
            (90, 5, 60),
        ),
        (  # she and 4 friends are five, and a box has 5 pies
            problem(
                "Ida eats with 4 of her friends. A box has 5 pies. Each eats 6 boxes. How many pies do they eat?",
                "They eat 5*6 = <<5*6=30>>30 boxes.",
                "That is 30*5 = <<30*5=150>>150 pies.",
            ),
            (6,),
        ),
    ],
)
def test_numbers_that_hang_together_are_not_drawn_apart(given: Problem, leaves: tuple[int, ...]) -> None:
    assert link(given).leaves == leaves
