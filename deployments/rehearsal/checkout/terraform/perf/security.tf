locals {
  admin_cidrs = length(var.admin_cidrs) > 0 ? var.admin_cidrs : compact([var.detected_admin_cidr])

  # What an operator's browser, SSH client and k6 may reach.
  admin_ports = {
    "sut-ssh"               = { group = aws_security_group.sut.id, port = var.ssh_port }
    "sut-api"               = { group = aws_security_group.sut.id, port = var.api_port }
    "sut-rt"                = { group = aws_security_group.sut.id, port = var.rt_port }
    "loadgen-ssh"           = { group = aws_security_group.loadgen.id, port = var.ssh_port }
    "monitoring-ssh"        = { group = aws_security_group.monitoring.id, port = var.ssh_port }
    "monitoring-prometheus" = { group = aws_security_group.monitoring.id, port = var.prometheus_port }
    "monitoring-grafana"    = { group = aws_security_group.monitoring.id, port = var.grafana_port }
    "monitoring-jaeger"     = { group = aws_security_group.monitoring.id, port = var.jaeger_port }
  }

  admin_rules = {
    for pair in setproduct(keys(local.admin_ports), local.admin_cidrs) :
    "${pair[0]} ${pair[1]}" => { name = pair[0], cidr = pair[1] }
  }

  # What the hosts reach of each other.
  internal_rules = {
    "api-from-loadgen"          = { group = aws_security_group.sut.id, source = aws_security_group.loadgen.id, port = var.api_port }
    "rt-from-loadgen"           = { group = aws_security_group.sut.id, source = aws_security_group.loadgen.id, port = var.rt_port }
    "cadvisor-from-monitoring"  = { group = aws_security_group.sut.id, source = aws_security_group.monitoring.id, port = var.cadvisor_port }
    "node-from-monitoring"      = { group = aws_security_group.loadgen.id, source = aws_security_group.monitoring.id, port = 9100 }
    "remote-write-from-loadgen" = { group = aws_security_group.monitoring.id, source = aws_security_group.loadgen.id, port = var.prometheus_port }
    "otlp-from-sut"             = { group = aws_security_group.monitoring.id, source = aws_security_group.sut.id, port = var.otlp_port }
  }
}

resource "aws_security_group" "sut" {
  name        = "${var.name}-sut"
  description = "System under test"
  vpc_id      = aws_vpc.main.id

  tags = merge(local.tags, { Name = "${var.name}-sut" })

  lifecycle {
    precondition {
      condition     = length(local.admin_cidrs) > 0
      error_message = "Nobody could reach the hosts: set admin_cidrs, or TF_VAR_detected_admin_cidr to your own address."
    }
  }
}

resource "aws_security_group" "loadgen" {
  name        = "${var.name}-loadgen"
  description = "Load generators"
  vpc_id      = aws_vpc.main.id

  tags = merge(local.tags, { Name = "${var.name}-loadgen" })
}

resource "aws_security_group" "monitoring" {
  name        = "${var.name}-monitoring"
  description = "Prometheus, Grafana, Jaeger"
  vpc_id      = aws_vpc.main.id

  tags = merge(local.tags, { Name = "${var.name}-monitoring" })
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  for_each = local.admin_rules

  security_group_id = local.admin_ports[each.value.name].group
  description       = "Operators: ${each.value.name}"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = local.admin_ports[each.value.name].port
  to_port           = local.admin_ports[each.value.name].port

  tags = merge(local.tags, { Name = "${var.name}-${each.value.name}" })
}

resource "aws_vpc_security_group_ingress_rule" "internal" {
  for_each = local.internal_rules

  security_group_id            = each.value.group
  description                  = "Internal: ${each.key}"
  referenced_security_group_id = each.value.source
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port

  tags = merge(local.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "all" {
  for_each = {
    sut        = aws_security_group.sut.id
    loadgen    = aws_security_group.loadgen.id
    monitoring = aws_security_group.monitoring.id
  }

  security_group_id = each.value
  description       = "Everything outbound"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"

  tags = merge(local.tags, { Name = "${var.name}-${each.key}-egress" })
}
