"""The sentences that stand on every page."""

HOW = (
    "Do the stages in their order. Steps of one stage may be done at the same time, by different people.",
    "Each step: look first, act, look again. Act only where the first look shows what it must; else do as it says. The "
    "run may have gone on after this page was written, and a step that was running may have happened.",
    "Make sure that no run is alive: stop the workers, or make sure that they stay stopped. Two that act at once undo "
    "each other.",
    "Commands are for bash. Where one shows something else than it must, stop there and read what it says.",
    "Note beside each step who did it and when. The form at the end wants it.",
)
AFTERWARDS = (
    "Fill in the form, and keep it. When Temporal is back, also a new and empty one: "
    'seawall import-outcome FILE --by YOU --reason "...", and the same with --yes.',
    "It looks at the world and refuses what contradicts it. Then: seawall reprotect, and seawall failback.",
)
NO_STEP = "No step is left. Look once more that users are served, then fill in the form."
BACK = (
    "Nothing was promoted when this was written, so the other way is open too: instead of going on, undo what stands, "
    "in this order. Look that nothing was promoted meanwhile."
)
