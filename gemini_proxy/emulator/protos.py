"""The messages of v1internal as tables: what the reader in fields.py knows.

A row is `name: type`; `[]` marks a list, `{}` a map with string keys; capital letters name a message or an enum.
Names are lowerCamelCase here; the reader also takes their snake_case form (docs/protocol.md, P-304).
"""

# The package of the types is a guess; the one sighting is OnboardUserResponse.
TYPE_URL = "type.googleapis.com/google.internal.cloud.code.v1internal."

MESSAGES: dict[str, dict[str, str]] = {
    "GenerateContent": {
        "model": "string",
        "project": "string",
        "userPromptId": "string",
        "request": "Request",
        "enabledCreditTypes": "[]string",
    },
    "Request": {  # docs/protocol.md, P-305
        "contents": "[]Content",
        "systemInstruction": "Content",
        "cachedContent": "string",
        "tools": "[]Tool",
        "toolConfig": "ToolConfig",
        "labels": "{}string",
        "safetySettings": "[]SafetySetting",
        "generationConfig": "GenerationConfig",
        "sessionId": "string",
    },
    "GenerationConfig": {  # docs/protocol.md, P-306
        "temperature": "float",
        "topP": "float",
        "topK": "float",
        "candidateCount": "int32",
        "maxOutputTokens": "int32",
        "stopSequences": "[]string",
        "responseLogprobs": "bool",
        "logprobs": "int32",
        "presencePenalty": "float",
        "frequencyPenalty": "float",
        "seed": "int32",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "responseJsonSchema": "Value",
        "routingConfig": "Struct",
        "modelSelectionConfig": "Struct",
        "responseModalities": "[]Modality",
        "mediaResolution": "MediaResolution",
        "speechConfig": "SpeechConfig",
        "audioTimestamp": "bool",
        "thinkingConfig": "ThinkingConfig",
        "imageConfig": "ImageConfig",
    },
    "ThinkingConfig": {"includeThoughts": "bool", "thinkingBudget": "int32", "thinkingLevel": "ThinkingLevel"},
    "ImageConfig": {"aspectRatio": "string", "imageSize": "string"},
    "SpeechConfig": {
        "voiceConfig": "VoiceConfig",
        "multiSpeakerVoiceConfig": "MultiSpeakerVoiceConfig",
        "languageCode": "string",
    },
    "VoiceConfig": {"prebuiltVoiceConfig": "PrebuiltVoiceConfig"},
    "PrebuiltVoiceConfig": {"voiceName": "string"},
    "MultiSpeakerVoiceConfig": {"speakerVoiceConfigs": "[]SpeakerVoiceConfig"},
    "SpeakerVoiceConfig": {"speaker": "string", "voiceConfig": "VoiceConfig"},
    "Content": {"role": "string", "parts": "[]Part"},
    "Part": {  # docs/protocol.md, P-401
        "text": "string",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "executableCode": "ExecutableCode",
        "codeExecutionResult": "CodeExecutionResult",
        "videoMetadata": "VideoMetadata",
        "mediaResolution": "PartMediaResolution",
    },
    "Blob": {"mimeType": "string", "data": "bytes", "displayName": "string"},
    "FileData": {"mimeType": "string", "fileUri": "string", "displayName": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "Struct"},
    "FunctionResponse": {
        "id": "string",
        "name": "string",
        "response": "Struct",
        "parts": "[]FunctionResponsePart",
    },
    "FunctionResponsePart": {"inlineData": "Blob", "fileData": "FileData"},
    "ExecutableCode": {"language": "Language", "code": "string", "id": "string"},
    "CodeExecutionResult": {"outcome": "Outcome", "output": "string", "id": "string"},
    "VideoMetadata": {"startOffset": "string", "endOffset": "string", "fps": "float"},
    "PartMediaResolution": {"level": "MediaResolution"},
    "Tool": {
        "functionDeclarations": "[]FunctionDeclaration",
        "googleSearch": "GoogleSearch",
        "urlContext": "Empty",
        "codeExecution": "Empty",
    },
    "Empty": {},
    "GoogleSearch": {"timeRangeFilter": "Struct", "excludeDomains": "[]string"},
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "parameters": "Schema",
        "parametersJsonSchema": "Value",
        "response": "Schema",
        "responseJsonSchema": "Value",
        "behavior": "Behavior",
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "Struct",
        "includeServerSideToolInvocations": "bool",
    },
    "FunctionCallingConfig": {
        "mode": "Mode",
        "allowedFunctionNames": "[]string",
        "streamFunctionCallArguments": "bool",
    },
    "SafetySetting": {"category": "HarmCategory", "threshold": "HarmBlockThreshold", "method": "HarmBlockMethod"},
    "Schema": {  # the OpenAPI-like subset: no $schema, $ref, const, additionalProperties … (docs/protocol.md, P-606)
        "type": "Type",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "[]string",
        "items": "Schema",
        "minItems": "int64",
        "maxItems": "int64",
        "properties": "{}Schema",
        "propertyOrdering": "[]string",
        "required": "[]string",
        "minProperties": "int64",
        "maxProperties": "int64",
        "minLength": "int64",
        "maxLength": "int64",
        "minimum": "float",
        "maximum": "float",
        "pattern": "string",
        "example": "Value",
        "default": "Value",
        "anyOf": "[]Schema",
    },
    "CountTokens": {"request": "CountTokensRequest"},  # no project here
    "CountTokensRequest": {"model": "string", "contents": "[]Content"},
    "ClientMetadata": {
        "ideType": "IdeType",
        "ideVersion": "string",
        "pluginVersion": "string",
        "platform": "Platform",
        "updateChannel": "string",
        "duetProject": "string",
        "pluginType": "PluginType",
        "ideName": "string",
    },
    "LoadCodeAssist": {"cloudaicompanionProject": "string", "metadata": "ClientMetadata", "mode": "LoadMode"},
    "OnboardUser": {"tierId": "string", "cloudaicompanionProject": "string", "metadata": "ClientMetadata"},
    "RetrieveUserQuota": {"project": "string", "userAgent": "string"},
    "ListExperiments": {"project": "string", "metadata": "ClientMetadata"},
    "FetchAdminControls": {"project": "string"},
    "GlobalUserSetting": {"cloudaicompanionProject": "string", "freeTierDataCollectionOptin": "bool"},
    "RecordMetrics": {"project": "string", "requestId": "string", "metadata": "ClientMetadata", "metrics": "[]Struct"},
}

# The public API: no envelope, and fewer fields than Vertex AI has (https://ai.google.dev/api/generate-content).
_VERTEX_ONLY = ("routingConfig", "modelSelectionConfig", "audioTimestamp")
MESSAGES |= {
    "PublicGenerationConfig": {
        name: kind for name, kind in MESSAGES["GenerationConfig"].items() if name not in _VERTEX_ONLY
    },
    "PublicSafetySetting": {"category": "HarmCategory", "threshold": "HarmBlockThreshold"},
    "PublicGenerateContent": {
        **{name: kind for name, kind in MESSAGES["Request"].items() if name not in ("labels", "sessionId")},
        "model": "string",
        "generationConfig": "PublicGenerationConfig",
        "safetySettings": "[]PublicSafetySetting",
        "tools": "[]PublicTool",
        "toolConfig": "PublicToolConfig",
    },
    "PublicTool": {**MESSAGES["Tool"], "googleSearch": "PublicGoogleSearch"},
    "PublicGoogleSearch": {"timeRangeFilter": "Struct", "searchTypes": "Struct"},
    "PublicToolConfig": {**MESSAGES["ToolConfig"], "functionCallingConfig": "PublicFunctionCallingConfig"},
    "PublicFunctionCallingConfig": {"mode": "Mode", "allowedFunctionNames": "[]string"},
    "PublicCountTokens": {"contents": "[]Content", "generateContentRequest": "PublicGenerateContent"},
    "EmbedContent": {
        "model": "string",
        "content": "Content",
        "taskType": "TaskType",
        "title": "string",
        "outputDimensionality": "int32",
    },
    "BatchEmbedContents": {"requests": "[]EmbedContent"},
}

ENUMS: dict[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "Type": "TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL",
        "Mode": "MODE_UNSPECIFIED AUTO ANY NONE VALIDATED",
        "ThinkingLevel": "THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH",
        "Modality": "MODALITY_UNSPECIFIED TEXT IMAGE AUDIO",
        "MediaResolution": "MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM "
        "MEDIA_RESOLUTION_HIGH MEDIA_RESOLUTION_ULTRA_HIGH",
        "Language": "LANGUAGE_UNSPECIFIED PYTHON",
        "Outcome": "OUTCOME_UNSPECIFIED OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED",
        "Behavior": "UNSPECIFIED BLOCKING NON_BLOCKING",
        "HarmCategory": "HARM_CATEGORY_UNSPECIFIED HARM_CATEGORY_HARASSMENT HARM_CATEGORY_HATE_SPEECH "
        "HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_DANGEROUS_CONTENT HARM_CATEGORY_CIVIC_INTEGRITY "
        "HARM_CATEGORY_JAILBREAK HARM_CATEGORY_IMAGE_HATE HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT "
        "HARM_CATEGORY_IMAGE_HARASSMENT HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT",
        "HarmBlockThreshold": "HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE "
        "BLOCK_ONLY_HIGH BLOCK_NONE OFF",
        "HarmBlockMethod": "HARM_BLOCK_METHOD_UNSPECIFIED SEVERITY PROBABILITY",
        "TaskType": "TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION "
        "CLUSTERING QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY",
        "IdeType": "IDE_UNSPECIFIED VSCODE INTELLIJ VSCODE_CLOUD_WORKSTATION INTELLIJ_CLOUD_WORKSTATION "
        "CLOUD_SHELL GEMINI_CLI",
        "Platform": "PLATFORM_UNSPECIFIED DARWIN_AMD64 DARWIN_ARM64 LINUX_AMD64 LINUX_ARM64 WINDOWS_AMD64",
        "PluginType": "PLUGIN_UNSPECIFIED CLOUD_CODE GEMINI AIPLUGIN_INTELLIJ AIPLUGIN_STUDIO",
        "LoadMode": "MODE_UNSPECIFIED FULL_ELIGIBILITY_CHECK HEALTH_CHECK",
    }.items()
}
PART_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)
ONE_OF = {"Part": PART_DATA, "FunctionResponsePart": ("inlineData", "fileData")}
