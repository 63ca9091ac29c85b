/* Rules that come with the platform: certain, few, and each with a severity.
   "malware" follows [scanning] malware; "suspicious" is marked for the endpoint to judge.
   An operator's own rules lie in the folder that [scanning] rules names. */

rule eicar_test_file {
    meta:
        severity = "malware"
        description = "The EICAR anti-malware test file"
    strings:
        $eicar = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    condition:
        $eicar
}

rule gtube_test_message {
    meta:
        severity = "spam"
        description = "The GTUBE test message"
    strings:
        $gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    condition:
        $gtube
}

rule windows_program {
    meta:
        severity = "suspicious"
        description = "A Windows program"
    condition:
        uint16(0) == 0x5A4D and uint32(0x3C) < filesize and uint32(uint32(0x3C)) == 0x00004550
}

rule windows_shortcut {
    meta:
        severity = "suspicious"
        description = "A Windows shortcut, which starts what it names"
    condition:
        uint32(0) == 0x0000004C and uint32(4) == 0x00021401
}

rule office_macro_that_runs_by_itself {
    meta:
        severity = "suspicious"
        description = "A VBA project with a macro that runs on opening and starts a program"
    strings:
        $project = "VBA" ascii wide
        $auto1 = "AutoOpen" nocase ascii wide
        $auto2 = "Document_Open" nocase ascii wide
        $auto3 = "Workbook_Open" nocase ascii wide
        $auto4 = "Auto_Open" nocase ascii wide
        $run1 = "WScript.Shell" nocase ascii wide
        $run2 = "Shell.Application" nocase ascii wide
        $run3 = "powershell" nocase ascii wide
        $run4 = "CreateObject" nocase ascii wide
        $run5 = "URLDownloadToFile" nocase ascii wide
    condition:
        uint32(0) == 0xE011CFD0 and $project and any of ($auto*) and any of ($run*)
}
