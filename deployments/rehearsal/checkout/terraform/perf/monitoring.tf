resource "aws_cloudwatch_log_group" "sut" {
  name              = "/ebit/perf/sut"
  retention_in_days = var.log_retention_days

  tags = merge(local.tags, { Name = "${var.name}-sut" })
}
