data "aws_availability_zones" "available" {
  state = "available"
}

locals {
  tags = { Project = var.name }
}

resource "aws_vpc" "main" {
  cidr_block = var.vpc_cidr

  tags = merge(local.tags, { Name = var.name })
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id

  tags = merge(local.tags, { Name = var.name })
}

resource "aws_subnet" "public" {
  count = 2

  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(var.vpc_cidr, 8, count.index)
  availability_zone = data.aws_availability_zones.available.names[count.index]

  tags = merge(local.tags, { Name = "${var.name}-public-${count.index}" })
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  tags = merge(local.tags, { Name = "${var.name}-public" })
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table_association" "public" {
  count = length(aws_subnet.public)

  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public[count.index].id
}

# Fixed addresses, so that dashboards and k6's environment survive a reboot.
resource "aws_eip" "sut" {
  domain = "vpc"

  tags = merge(local.tags, { Name = "${var.name}-sut" })
}

resource "aws_eip" "monitoring" {
  domain = "vpc"

  tags = merge(local.tags, { Name = "${var.name}-monitoring" })
}

resource "aws_eip" "loadgen" {
  count = var.loadgen_count

  domain = "vpc"

  tags = merge(local.tags, { Name = "${var.name}-loadgen-${count.index}" })
}

resource "aws_eip_association" "sut" {
  allocation_id = aws_eip.sut.id
  instance_id   = aws_instance.sut.id
}

resource "aws_eip_association" "monitoring" {
  allocation_id = aws_eip.monitoring.id
  instance_id   = aws_instance.monitoring.id
}

resource "aws_eip_association" "loadgen" {
  count = var.loadgen_count

  allocation_id = aws_eip.loadgen[count.index].id
  instance_id   = aws_instance.loadgen[count.index].id
}
