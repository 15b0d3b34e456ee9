#!/usr/bin/env bash
# {{title}}. Its procedure is directives/{{name}}.md.
# Arguments: task id, ack token, payload as JSON.
set -euo pipefail

curl --fail --silent --show-error --output /dev/null \
  --get --data-urlencode "task_id=$1" --header "Authorization: Bearer $2" "$MCP_URL/mcp/validate-ack"

echo '::progress:: 50 working'
echo "Nothing is done with $3 yet: write the work here."
printf '{"done": true}' >"$DOE_RESULT_FILE"
