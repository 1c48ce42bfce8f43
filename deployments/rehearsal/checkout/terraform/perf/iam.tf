data "aws_iam_policy_document" "ec2_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "ecr_pull" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    resources = [for repository in aws_ecr_repository.service : repository.arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.sut.arn}:*"]
  }
}

# Prometheus finds the hosts through the EC2 API.
data "aws_iam_policy_document" "discovery" {
  statement {
    actions   = ["ec2:DescribeInstances", "ec2:DescribeAvailabilityZones"]
    resources = ["*"]
  }
}

resource "aws_iam_role" "sut" {
  name               = "${var.name}-sut"
  assume_role_policy = data.aws_iam_policy_document.ec2_assume.json

  tags = merge(local.tags, { Name = "${var.name}-sut" })
}

resource "aws_iam_policy" "sut" {
  name        = "${var.name}-sut"
  description = "Pull the images, write the logs"
  policy      = data.aws_iam_policy_document.ecr_pull.json

  tags = merge(local.tags, { Name = "${var.name}-sut" })
}

resource "aws_iam_role_policy_attachment" "sut" {
  role       = aws_iam_role.sut.name
  policy_arn = aws_iam_policy.sut.arn
}

resource "aws_iam_instance_profile" "sut" {
  name = "${var.name}-sut"
  role = aws_iam_role.sut.name

  tags = merge(local.tags, { Name = "${var.name}-sut" })
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-monitoring"
  assume_role_policy = data.aws_iam_policy_document.ec2_assume.json

  tags = merge(local.tags, { Name = "${var.name}-monitoring" })
}

resource "aws_iam_role_policy" "discovery" {
  name   = "discovery"
  role   = aws_iam_role.monitoring.id
  policy = data.aws_iam_policy_document.discovery.json
}

resource "aws_iam_instance_profile" "monitoring" {
  name = "${var.name}-monitoring"
  role = aws_iam_role.monitoring.name

  tags = merge(local.tags, { Name = "${var.name}-monitoring" })
}
