"""Any Sequential or Functional Keras model from what its file says of it.

    config.py   the `model_config`, in whatever dialect, to one plain description
    kinds.py    Keras' layer classes in terms of ours; `register_layer`
    choices.py  attention layers of one name that several authors wrote
    graph.py    description and weights to a graph of our layers
"""
