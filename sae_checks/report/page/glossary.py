"""The field's words that a page uses, each explained where it stands."""

from __future__ import annotations

# In the order of the list at the end of the page.
WORDS: dict[str, str] = {
    "SAE": "Sparse autoencoder: writes an activation of a language model as a sum of few of many "
    "directions, its features, and gives back a reconstruction.",
    "feature": "One direction that an SAE may use; it is active on a token where its coefficient "
    "is not 0.",
    "splice": "Putting the reconstruction in the place of the activation, so that the model goes "
    "on with it.",
    "hook point": "The place in the model where an activation is read, such as the residual stream "
    "before block 3: blocks.3.hook_resid_pre.",
    "training context": "How many tokens the texts had that the SAE was trained on. Past it, it "
    "sees activations of positions that it has never seen.",
    "usable context": "Up to which position ΔCE holds its limit, in training contexts.",
    "CE": "Cross-entropy: −ln of the probability that the model gave to the token that came next, "
    "in nats.",
    "ΔCE": "How much the loss on the next token rises when the reconstruction is spliced in, in "
    "nats, on the same token; below 0 it falls.",
    "KL": "Kullback-Leibler divergence: how far all predictions move from those of the model "
    "untouched, in nats; never below 0.",
    "L0": "How many features are active on a token.",
    "L1": "The sum of the coefficients of all features on a token.",
    "MSE": "Squared distance of reconstruction and activation, summed over coordinates.",
    "explained variance": "1 − squared error / variance of the activations: 1 is perfect, 0 no "
    "better than their mean.",
    "Δ ln p": "How much ln of the probability of the right answer changes with the SAE spliced in, "
    "in nats; below 0 it is less probable.",
    "‖x‖": "Length (norm) of an activation.",
    "BOS": "The token that begins a text. Its activation is many times larger than all others, and "
    "is left out of every mean.",
    "claim": "A test over the whole of what is asked of an SAE: it decides whether the run passes.",
    "range": "A test of some positions within a claim: it says where, and decides nothing alone.",
    "interval": "Where the true value lies, as far as these documents tell. Documents are what is "
    "independent, not tokens.",
    "limit": "The largest or smallest value that is allowed, from the thresholds file.",
    "margin": "The smallest excess over a limit that would matter: a cell passes when it is shown "
    "to lie within limit and margin.",
    "undecided": "Neither shown to hold nor shown to fail. A claim that is undecided fails the run "
    "as insufficient evidence: more texts would decide it.",
    "accepted": "Fails, and is known to: an entry of the thresholds file says why.",
    "stack": "Several SAEs spliced in at once, each reading what those before it left.",
    "baseline": "The release that this one is compared with, on the same texts.",
    "score": "Of a feature: on how many items it is active where the answer gained, less those "
    "where it lost.",
    "dashboard": "A page that shows what a feature is active on, at Neuronpedia.",
}


def anchor(word: str) -> str:
    """Where a word is explained: letters, and the numbers of other signs."""
    return "word-" + "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}" for c in word)
