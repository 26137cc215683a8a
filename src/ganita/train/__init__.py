"""Training: one loop for every objective, and everything that keeps its figures trustworthy.

objective.py   what is minimised: `loss(model, batch) -> (sum, count)`
schedule.py    the learning rate as a pure function of the step
optimizers.py  AdamW and Muon, their groups, their state by parameter name
memory.py      rows per forward pass from the memory there is
checkpoint.py  folders that are whole or absent, with checksums and fallback
signals.py     SIGINT and SIGTERM end the step, not the run
meters.py      speed, utilisation, energy; metrics.jsonl
loop.py        the loop
stages.py      pretrain and finetune, as the pipeline calls them; `load_model`
calibrate.py   the speed of this machine, measured in seconds
"""
