"""Who people are, as far as they can prove it: the register of approvers, and how each kind of proof is checked."""
