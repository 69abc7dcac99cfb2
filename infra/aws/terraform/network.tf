# The application's network, and beside it an isolated one for drills: no gateway, no peering, no endpoint, and no route
# but the local one.

data "aws_availability_zones" "here" {
  state = "available"
}

locals {
  tags  = { "seawall:application" = var.application }
  zones = slice(data.aws_availability_zones.here.names, 0, 2)
}

resource "aws_vpc" "network" {
  cidr_block           = var.network_range
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = var.application })
}

resource "aws_internet_gateway" "gateway" {
  vpc_id = aws_vpc.network.id
  tags   = local.tags
}

resource "aws_route_table" "routes" {
  vpc_id = aws_vpc.network.id
  tags   = local.tags
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.gateway.id
  }
}

resource "aws_subnet" "subnets" {
  count             = 2
  vpc_id            = aws_vpc.network.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.network_range, 4, count.index)
  tags              = local.tags
}

resource "aws_route_table_association" "routes" {
  count          = 2
  subnet_id      = aws_subnet.subnets[count.index].id
  route_table_id = aws_route_table.routes.id
}

resource "aws_security_group" "door" {
  name_prefix = "${var.application}-door-"
  description = "Where users come in"
  vpc_id      = aws_vpc.network.id
  tags        = local.tags
  ingress {
    description = "Users"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    description = "Anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "inside" {
  name_prefix = "${var.application}-inside-"
  description = "The application, as the door reaches it"
  vpc_id      = aws_vpc.network.id
  tags        = local.tags
  ingress {
    description     = "From the door"
    protocol        = "tcp"
    from_port       = var.port
    to_port         = var.port
    security_groups = [aws_security_group.door.id]
  }
  egress {
    description = "Anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# The planned fence of a database takes all its groups away and gives it this one, which lets nobody in. Terraform makes a
# group without the rule by which AWS lets all out.
resource "aws_security_group" "isolation" {
  name_prefix = "${var.application}-isolation-"
  description = "Lets nobody in and nothing out"
  vpc_id      = aws_vpc.network.id
  tags        = local.tags
}

resource "aws_vpc" "drill" {
  cidr_block           = var.drill_range
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = "${var.application}-drill" })
}

resource "aws_subnet" "drill" {
  count             = 2
  vpc_id            = aws_vpc.drill.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.drill_range, 4, count.index)
  tags              = local.tags
}

resource "aws_security_group" "drill" {
  name_prefix = "${var.application}-drill-"
  description = "Clones reach each other and nothing else"
  vpc_id      = aws_vpc.drill.id
  tags        = local.tags
  ingress {
    description = "Clones"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    self        = true
  }
  egress {
    description = "Clones"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    self        = true
  }
}

resource "aws_db_subnet_group" "databases" {
  name_prefix = "${var.application}-"
  description = "Where the replica lives"
  subnet_ids  = aws_subnet.subnets[*].id
  tags        = local.tags
}

resource "aws_db_subnet_group" "drill" {
  name_prefix = "${var.application}-drill-"
  description = "Where the clones of a drill live"
  subnet_ids  = aws_subnet.drill[*].id
  tags        = local.tags
}
