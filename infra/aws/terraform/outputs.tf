output "register_table" {
  value = aws_dynamodb_table.register.name
}

output "bucket" {
  description = "`bucket` of aws.s3"
  value       = aws_s3_bucket.bucket.id
}

output "group" {
  description = "`group` of aws.asg"
  value       = aws_autoscaling_group.fleet.name
}

output "launch_template" {
  description = "`template` of aws.ec2"
  value       = aws_launch_template.template.id
}

output "target_group" {
  value = aws_lb_target_group.targets.arn
}

output "subnets" {
  value = aws_subnet.subnets[*].id
}

output "security_group" {
  value = aws_security_group.inside.id
}

output "isolation_group" {
  description = "`isolation_group` of aws.rds"
  value       = aws_security_group.isolation.id
}

output "subnet_group" {
  description = "`subnet_group` of aws.rds"
  value       = aws_db_subnet_group.databases.name
}

output "drill_vpc" {
  description = "`vpc` of aws.vpc"
  value       = aws_vpc.drill.id
}

output "drill_subnets" {
  value = aws_subnet.drill[*].id
}

output "drill_security_group" {
  value = aws_security_group.drill.id
}

output "drill_subnet_group" {
  description = "`drill_subnet_group` of aws.rds"
  value       = aws_db_subnet_group.drill.name
}

output "roles" {
  description = "The runbook's `roles`"
  value       = { for duty, role in aws_iam_role.duty : duty => role.arn }
}
