"""Amazon Web Services: one module for each service, each of them a kind such as `aws.ec2`.

All of them stand on the same five: `settings` (where, and how long to wait), `calls` (the only place that talks to
AWS), `errors` (what AWS answers, as one of our own errors), `register` (which epoch may act, and what stood before)
and `waiting` (until an effect shows).

Nothing here was ever compared with a real account: it is tested against the simulator in `infra/awssim`.
"""
