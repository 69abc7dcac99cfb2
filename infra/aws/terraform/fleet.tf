# The register that says which run may act, and a fleet of size 0. The fleet's size is Seawall's: it is not put back.

resource "aws_dynamodb_table" "register" {
  name                        = var.register_table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = true
  tags                        = local.tags
  attribute {
    name = "id"
    type = "S"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled = true
  }
}

resource "aws_launch_template" "template" {
  name_prefix            = "${var.application}-"
  image_id               = var.image
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.inside.id]
  tags                   = local.tags
  metadata_options {
    http_tokens = "required"
  }
  tag_specifications {
    resource_type = "instance"
    tags          = local.tags
  }
  tag_specifications {
    resource_type = "volume"
    tags          = local.tags
  }
}

resource "aws_lb_target_group" "targets" {
  name_prefix = substr(var.application, 0, 6)
  vpc_id      = aws_vpc.network.id
  protocol    = "HTTP"
  port        = var.port
  tags        = local.tags
  health_check {
    path                = var.health_path
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_autoscaling_group" "fleet" {
  name_prefix               = "${var.application}-"
  min_size                  = 0
  max_size                  = var.largest
  desired_capacity          = 0
  vpc_zone_identifier       = aws_subnet.subnets[*].id
  target_group_arns         = [aws_lb_target_group.targets.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 120
  launch_template {
    id      = aws_launch_template.template.id
    version = aws_launch_template.template.latest_version
  }
  tag {
    key                 = "seawall:application"
    value               = var.application
    propagate_at_launch = true
  }
  lifecycle {
    ignore_changes = [min_size, desired_capacity]
  }
}
