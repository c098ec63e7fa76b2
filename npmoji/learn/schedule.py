"""Seed 003's training: a learning rate that goes up and down, and one model a fold.

rate = ExpRange(base=0.001, top=0.003, half=300, gamma=0.99994)
"""
