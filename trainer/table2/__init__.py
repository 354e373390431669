"""The ablations of the paper's table 2, trained and scored: `python -m trainer table2`.

rows        the networks of the table, their orders in the paper, and what differs between their trainings
nn_only     NN-only: the network that learns the whole degradation, and the training of another one with it
ledger      jobs, what is done of them, whether another fits the time
jobs        what has to be trained and scored, in order
orders      means, and differences of two networks, with intervals over seeds and clips
scores      the set, and the scores of a network
tables      the results
study       all of it, from inputs to tables
"""
