variable "region" {
  description = "AWS region of the perf environment."
  type        = string
  default     = "eu-north-1"
}

variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "ebit-perf"
}

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.42.0.0/16"
}

variable "admin_cidrs" {
  description = "Networks that may reach SSH, the API and the dashboards. Empty: detected_admin_cidr."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.admin_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Each of admin_cidrs must be a network such as 203.0.113.7/32."
  }

  validation {
    condition     = !contains(var.admin_cidrs, "0.0.0.0/0")
    error_message = "admin_cidrs must not open the environment to the whole internet."
  }
}

variable "detected_admin_cidr" {
  description = "The operator's own address as a /32, set by whoever runs Terraform (TF_VAR_detected_admin_cidr). Used when admin_cidrs is empty."
  type        = string
  default     = null
}

variable "ssh_public_key" {
  description = "Public key that may log in to all hosts, in OpenSSH format."
  type        = string

  validation {
    condition     = can(regex("^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp256) ", var.ssh_public_key))
    error_message = "ssh_public_key must be a public key in OpenSSH format."
  }
}

variable "sut_instance_type" {
  description = "Instance type of the system under test."
  type        = string
  default     = "c7g.2xlarge"
}

variable "loadgen_instance_type" {
  description = "Instance type of the load generators."
  type        = string
  default     = "c7g.2xlarge"
}

variable "monitoring_instance_type" {
  description = "Instance type of the monitoring host."
  type        = string
  default     = "c7g.large"
}

variable "loadgen_count" {
  description = "Number of load generators."
  type        = number
  default     = 1

  validation {
    condition     = var.loadgen_count >= 1 && var.loadgen_count <= 10
    error_message = "loadgen_count must be between 1 and 10."
  }
}

variable "root_volume_gb" {
  description = "Size of each root volume in GB."
  type        = number
  default     = 40
}

variable "log_retention_days" {
  description = "Days that the SUT's container logs are kept."
  type        = number
  default     = 7
}

variable "images_kept" {
  description = "Images that each registry keeps."
  type        = number
  default     = 10
}

variable "ssh_port" {
  description = "Port of sshd."
  type        = number
  default     = 22
}

variable "api_port" {
  description = "Port of the API on the SUT."
  type        = number
  default     = 4000
}

variable "rt_port" {
  description = "Port of the WebSocket service on the SUT."
  type        = number
  default     = 4001
}

variable "prometheus_port" {
  description = "Port of Prometheus on the monitoring host."
  type        = number
  default     = 9090
}

variable "grafana_port" {
  description = "Port of Grafana on the monitoring host."
  type        = number
  default     = 3000
}

variable "jaeger_port" {
  description = "Port of Jaeger's UI and query API on the monitoring host."
  type        = number
  default     = 16686
}

variable "otlp_port" {
  description = "Port of the OTLP/HTTP receiver on the monitoring host."
  type        = number
  default     = 4318
}

variable "cadvisor_port" {
  description = "Port of cAdvisor on the SUT."
  type        = number
  default     = 8080
}

variable "grafana_admin_password" {
  description = "Password of Grafana's admin (TF_VAR_grafana_admin_password). Null: Grafana's own default until changed by hand."
  type        = string
  default     = null
  sensitive   = true
}
