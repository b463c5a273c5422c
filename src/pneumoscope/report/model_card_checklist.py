"""The 44 items of CLAIM, and where a model card answers each.

Source: Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
Radiology: Artificial Intelligence 6(4):e240300.
"""

from pneumoscope.report.markdown import markdown_table
from pneumoscope.report.model_card_facts import failures_section, unseen_sources
from pneumoscope.runtime.card import Card

__all__ = ["checklist_section"]

_ITEMS = (
    "AI methodology identified",
    "Summary",
    "Background, intended use and role",
    "Aims and hypotheses",
    "Prospective or retrospective",
    "Study goal",
    "Data sources",
    "Inclusion and exclusion",
    "Pre-processing",
    "Selection of data subsets",
    "De-identification",
    "Missing data",
    "Image acquisition",
    "Reference standard",
    "Rationale for it",
    "Source of annotations",
    "Annotation of the test set",
    "Variability of annotators",
    "Assignment to partitions",
    "Level at which partitions are disjoint",
    "Intended sample size",
    "Model",
    "Software",
    "Initial parameters",
    "Training",
    "Selection of the final model",
    "Ensembling",
    "Metrics",
    "Statistical uncertainty",
    "Robustness",
    "Explainability",
    "Internal data",
    "External data",
    "Trial registration",
    "Numbers included and excluded",
    "Demographic and clinical characteristics",
    "Performance metrics",
    "Diagnostic performance and its precision",
    "Failure analysis",
    "Limitations",
    "Implications for practice",
    "Technical details",
    "Availability",
    "Funding",
)


def checklist_section(card: Card) -> str:
    """A table of all items, each with the answer or the section that gives it.

    Args:
        card: what was measured decides some of the answers.
    """
    rows = [(number, _ITEMS[number - 1], answer) for number, answer in enumerate(_answers(card), start=1)]
    return (
        "## Checklist\n\nThe items of CLAIM, 2024 update (Tejani et al. 2024, doi:10.1148/ryai.240300), and "
        f"where this card answers them.\n\n{markdown_table(('item', 'asks for', 'answer'), rows)}"
    )


def _answers(card: Card) -> tuple[str, ...]:
    """One answer per item, in their order."""
    films = "Films" if card.cohorts else "Training data"
    runs = "Training" if card.training_runs else "`card.json`"
    joined = "none"
    if "ensemble" in card.recipe:
        joined = f"mean of the logits of {len(card.recipe['ensemble'])} networks"
    elif "average" in card.recipe:
        joined = f"one network, whose weights are the mean of those of {len(card.recipe['average'])} runs"
    measured = "Measured" if card.evaluations else "not measured"
    unseen = ", ".join(unseen_sources(card))
    return (
        "deep learning: Architecture, at the top",
        "this card",
        "Intended use",
        f"to tell {card.labels[1]} from {card.labels[0]} and show the evidence; no hypothesis was registered",
        "retrospective: films that were there before",
        "making a model and measuring it",
        "Training data",
        f"{films}; films of other labels than those that were learnt are left out",
        "Input, at the top; the same function prepares films for training and for scoring; where it was told "
        "something else for training, Limitations say so",
        f"{films}; sources and labels that the recipe in `card.json` names",
        "by those who published the films; of a DICOM header only view, modality, body part and age are kept",
        "films without a clear label are left out and counted; an unknown patient is one patient per film; "
        "unknown ages and views are counted as unknown",
        f"view position, where it is known: {films}; machines and exposure are not recorded",
        "Training data, where the labels come from",
        "no other reference is to be had for these films",
        "Training data, where the labels come from",
        "Training data, where the labels come from; nobody read them again for this",
        "not measured here",
        "drawn by patient, stratified by source and label; a data set's own test split stays for testing, "
        "and so does a data set that is held out",
        "patient; copies and look-alikes of a film stay on one side too",
        "not planned: every film that there is; the intervals say what they allow",
        "Architecture, Input and Output, at the top; network and weights are in `model.onnx`",
        f"{runs}; pneumoscope at the code revision at the top",
        f"{runs}; drawn from the recipe's seed where it does not start from published weights",
        runs,
        f"the epoch of the last stage with the best validation AUC: {runs}",
        joined,
        measured,
        "95 % intervals that count patients: DeLong with clusters for the AUC, Wilson at the effective "
        "number of films for shares, bootstrap of patients for the rest",
        "not on this card: `pneumoscope evaluate --stress`",
        "the map's mean plus a constant is the logit, exactly; what it does not say: Limitations",
        measured,
        f"Measured: {unseen}" if unseen else "none",
        "none",
        films,
        f"{films}: age, population and view, where they are known; sex is not recorded",
        "Operating points and Measured" if card.evaluations else "Operating points",
        "Operating points and Measured" if card.evaluations else "Operating points",
        "Failures" if failures_section(card.evaluations) else "not measured",
        "Limitations",
        "Intended use",
        "`card.json` holds the resolved recipe and the hash of the manifest",
        "software under the MIT licence; weights in this folder, under the terms of the films they come "
        "from; films from those who published them: Training data",
        "none declared",
    )
