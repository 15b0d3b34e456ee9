// Which scenarios of the suite cannot be asked of this server, and why. Everything else must pass.

const fixture = (what) => `needs the suite's fixture ${what}`;
const notOffered = (what) => `${what} is not offered`;

/** Scenario → reason. */
export const scenarios = {
  'logging-set-level': notOffered('the logging capability (the log goes to stderr)'),
  'completion-complete': fixture('prompt test_prompt_with_arguments'),
  'tools-call-simple-text': fixture('tool test_simple_text'),
  'tools-call-image': fixture('tool test_image_content'),
  'tools-call-audio': fixture('tool test_audio_content'),
  'tools-call-embedded-resource': fixture('tool test_embedded_resource'),
  'tools-call-mixed-content': fixture('tool test_multiple_content_types'),
  'tools-call-with-logging': fixture('tool test_tool_with_logging'),
  'tools-call-error': fixture('tool test_error_handling'),
  'tools-call-with-progress': fixture('tool test_tool_with_progress'),
  'tools-call-sampling': fixture('tool test_sampling'),
  'tools-call-elicitation': fixture('tool test_elicitation'),
  'json-schema-2020-12': fixture('tool json_schema_2020_12_tool'),
  'elicitation-sep1034-defaults': fixture('tool test_elicitation_sep1034_defaults'),
  'elicitation-sep1330-enums': fixture('tool test_elicitation_sep1330_enums'),
  'server-sse-polling': fixture('tool test_reconnection'),
  'resources-read-text': fixture('resource test://static-text'),
  'resources-read-binary': fixture('resource test://static-binary'),
  'resources-templates-read': fixture('resource template test://template/{id}/data'),
  'prompts-get-simple': fixture('prompt test_simple_prompt'),
  'prompts-get-with-args': fixture('prompt test_prompt_with_arguments'),
  'prompts-get-embedded-resource': fixture('prompt test_prompt_with_embedded_resource'),
  'prompts-get-with-image': fixture('prompt test_prompt_with_image'),
  'http-custom-header-server-validation': fixture('tool with x-mcp-header annotations'),
  'input-required-result-basic-elicitation': fixture('tool test_input_required_result_elicitation'),
  'input-required-result-basic-sampling': fixture('tool test_input_required_result_sampling'),
  'input-required-result-basic-list-roots': fixture('tool test_input_required_result_list_roots'),
  'input-required-result-request-state': fixture('tool test_input_required_result_request_state'),
  'input-required-result-multiple-input-requests': fixture('tool test_input_required_result_multiple_inputs'),
  'input-required-result-multi-round': fixture('tool test_input_required_result_multi_round'),
  'input-required-result-missing-input-response': fixture('tool test_input_required_result_elicitation'),
  'input-required-result-non-tool-request': fixture('prompt test_input_required_result_prompt'),
  'input-required-result-result-type': fixture('tool test_input_required_result_elicitation'),
  'input-required-result-tampered-state': fixture('tool test_input_required_result_tampered_state'),
  'input-required-result-capability-check': fixture('tool test_input_required_result_capabilities'),
  'input-required-result-ignore-extra-params': fixture('tool test_input_required_result_elicitation'),
  'sep-2640-skills-directory': notOffered('directoryRead (each skill is one file)'),
};

/** Single checks of scenarios that otherwise apply. */
export const checks = {
  'server-stateless': {
    'sep-2575-server-rejects-undeclared-capability': fixture('tool test_missing_capability'),
    'sep-2575-missing-capability-http-400': fixture('tool test_missing_capability'),
    'sep-2575-http-server-no-independent-requests-on-stream': fixture('tool test_streaming_elicitation'),
    'sep-2575-server-no-log-without-loglevel': fixture('tool test_logging_tool'),
  },
};

/** Whole families that the suite runs only by name. */
export const families = { 'tasks-*': notOffered('the Tasks extension') };
