locals {
  instance_types = toset([var.sut_instance_type, var.loadgen_instance_type, var.monitoring_instance_type])
  architectures  = { for type, found in data.aws_ec2_instance_type.chosen : type => found.supported_architectures[0] }
}

data "aws_ec2_instance_type" "chosen" {
  for_each = local.instance_types

  instance_type = each.key
}

# The newest Amazon Linux 2023 of each architecture in use (arm64 or x86_64).
data "aws_ssm_parameter" "ami" {
  for_each = toset(values(local.architectures))

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-${each.key}"
}

resource "aws_key_pair" "operator" {
  key_name   = "${var.name}-operator"
  public_key = var.ssh_public_key

  tags = merge(local.tags, { Name = "${var.name}-operator" })
}

resource "aws_instance" "sut" {
  ami                         = data.aws_ssm_parameter.ami[local.architectures[var.sut_instance_type]].insecure_value
  instance_type               = var.sut_instance_type
  subnet_id                   = aws_subnet.public[0].id
  vpc_security_group_ids      = [aws_security_group.sut.id]
  associate_public_ip_address = true
  key_name                    = aws_key_pair.operator.key_name
  iam_instance_profile        = aws_iam_instance_profile.sut.name
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    role     = "sut"
    packages = ["docker"]
    registry = local.ecr_registry
    region   = var.region
  })

  metadata_options {
    http_tokens = "required"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gb
  }

  tags = merge(local.tags, { Name = "${var.name}-sut", Role = "sut" })

  lifecycle {
    ignore_changes = [ami]
  }
}

resource "aws_instance" "loadgen" {
  count = var.loadgen_count

  ami                         = data.aws_ssm_parameter.ami[local.architectures[var.loadgen_instance_type]].insecure_value
  instance_type               = var.loadgen_instance_type
  subnet_id                   = aws_subnet.public[0].id
  vpc_security_group_ids      = [aws_security_group.loadgen.id]
  associate_public_ip_address = true
  key_name                    = aws_key_pair.operator.key_name
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    role     = "loadgen"
    packages = ["nodejs"]
    registry = ""
    region   = var.region
  })

  metadata_options {
    http_tokens = "required"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gb
  }

  tags = merge(local.tags, { Name = "${var.name}-loadgen-${count.index}", Role = "loadgen" })

  lifecycle {
    ignore_changes = [ami]
  }
}

resource "aws_instance" "monitoring" {
  ami                         = data.aws_ssm_parameter.ami[local.architectures[var.monitoring_instance_type]].insecure_value
  instance_type               = var.monitoring_instance_type
  subnet_id                   = aws_subnet.public[1].id
  vpc_security_group_ids      = [aws_security_group.monitoring.id]
  associate_public_ip_address = true
  key_name                    = aws_key_pair.operator.key_name
  iam_instance_profile        = aws_iam_instance_profile.monitoring.name
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    role     = "monitoring"
    packages = ["docker"]
    registry = ""
    region   = var.region
  })

  metadata_options {
    http_tokens = "required"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gb
  }

  tags = merge(local.tags, { Name = "${var.name}-monitoring", Role = "monitoring" })

  lifecycle {
    ignore_changes = [ami]
  }
}
