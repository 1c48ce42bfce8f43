output "monitoring_url" {
  description = "Prometheus, also the target of k6's remote write (/api/v1/write)."
  value       = "http://${aws_eip.monitoring.public_ip}:${var.prometheus_port}"
}

output "grafana_url" {
  value = "http://${aws_eip.monitoring.public_ip}:${var.grafana_port}"
}

output "jaeger_url" {
  value = "http://${aws_eip.monitoring.public_ip}:${var.jaeger_port}"
}

output "api_url" {
  value = "http://${aws_eip.sut.public_ip}:${var.api_port}"
}

output "sut_public_ip" {
  value = aws_eip.sut.public_ip
}

output "sut_instance_id" {
  value = aws_instance.sut.id
}

output "loadgen_public_ip" {
  description = "One address, or a list of them when there are several load generators."
  value       = try(one(aws_eip.loadgen[*].public_ip), aws_eip.loadgen[*].public_ip)
}

output "loadgen_instance_ids" {
  value = aws_instance.loadgen[*].id
}

output "monitoring_public_ip" {
  value = aws_eip.monitoring.public_ip
}

output "ecr_registry" {
  value = local.ecr_registry
}

output "ecr_repository_urls" {
  value = { for name, repository in aws_ecr_repository.service : name => repository.repository_url }
}

output "grafana_admin_password" {
  value     = var.grafana_admin_password
  sensitive = true
}
