"""Prints raw rows of iris-like flowers, from a seed: the same seed gives the same rows.

    python generate.py [SEED [ROWS]]

A row is `sepal length,sepal width,petal length,petal width,species`, in centimetres. About one row in ten is bad, as rows from
the field are: a value is missing, is no number, is impossible, or the species is unknown. Some good rows carry stray spaces and capitals.
"""

import random
import sys

# Mean and deviation of each measurement, in the order of a row's columns.
SPECIES = {
    "setosa": ((5.0, 0.35), (3.4, 0.38), (1.5, 0.17), (0.25, 0.10)),
    "versicolor": ((5.9, 0.51), (2.8, 0.31), (4.3, 0.40), (1.30, 0.18)),
    "virginica": ((6.6, 0.63), (3.0, 0.32), (5.6, 0.50), (2.05, 0.25)),
}


def good(rng):
    species = rng.choice(sorted(SPECIES))
    values = ["%.1f" % max(0.1, rng.gauss(mean, deviation)) for mean, deviation in SPECIES[species]]
    if rng.random() < 0.1:
        species = " " + species.upper() + " "
    return values + [species]


def bad(rng):
    row = good(rng)
    column = rng.randrange(4)
    kind = rng.randrange(5)
    if kind == 0:
        del row[column]
    elif kind == 1:
        row[column] = rng.choice(["", "n/a", "five", "1,2"])
    elif kind == 2:
        row[column] = rng.choice(["-1.0", "0", "250.0", "NaN"])
    elif kind == 3:
        row[4] = rng.choice(["", "tulip"])
    else:
        return [""]
    return row


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rng = random.Random(seed)
    for _ in range(rows):
        print(",".join(bad(rng) if rng.random() < 0.1 else good(rng)))


if __name__ == "__main__":
    main()
