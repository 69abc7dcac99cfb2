# Five roles, each for one duty, with the policies that are made of the code.

locals {
  duties = var.roles ? toset(["observe", "replicate", "failover", "drill", "clean-up"]) : toset([])
}

resource "aws_iam_role" "duty" {
  for_each             = local.duties
  name                 = "seawall-${each.key}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = var.worker }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
    }]
  })
}

resource "aws_iam_role_policy" "duty" {
  for_each = local.duties
  name     = "seawall-${each.key}"
  role     = aws_iam_role.duty[each.key].id
  policy   = jsonencode(jsondecode(file("${path.module}/../policies/${each.key}.json")))
}
